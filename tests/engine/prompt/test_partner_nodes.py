"""Partner nodes are refused before they cost anything, unless jobs may have the account's token and there is one."""

from typing import Any

import pytest

from engine.prompt.admission import admission, admit
from engine.prompt.partner_nodes import Account, account_errors, uses_account
from engine.prompt.sides import Sides
from engine.prompt.submission import SubmissionRefused
from wire.ids import PromptId

NEW = PromptId("22222222-2222-4222-8222-222222222222")
TOKENS = {"auth_token_comfy_org": "token-of-a-page"}
INFOS: dict[str, dict[str, Any] | None] = {
    "Partner": {"output_node": False, "api_node": True, "input": {}, "output": ["IMAGE"]},
    "Custom": {"output_node": False, "input": {"hidden": {"key": ["API_KEY_COMFY_ORG"]}}, "output": ["IMAGE"]},
    "Old": {"output_node": False, "input": {"hidden": {"key": "AUTH_TOKEN_COMFY_ORG", "id": 5}}, "output": ["IMAGE"]},
    "Plain": {"output_node": False, "input": {"hidden": {"id": "UNIQUE_ID"}}, "output": ["IMAGE"]},
    "Save": {"output_node": True, "input": {"required": {"image": ["IMAGE"]}}, "output": []},
    "Unknown": None,
}


def prompt(kind: str) -> dict[str, Any]:
    """A node of *kind*, saved, and a node of that kind that nobody needs."""
    return {
        "1": {"class_type": kind, "inputs": {}},
        "2": {"class_type": "Save", "inputs": {"image": ["1", 0]}},
        "9": {"class_type": kind, "inputs": {}},
    }


def refused(extra_data: Any, *, hand_account: bool) -> dict[str, Any]:
    body = {"prompt": prompt("Partner"), "extra_data": extra_data}
    with pytest.raises(SubmissionRefused) as caught:
        admission(body, Sides.here_only(INFOS), NEW, 7, hand_account=hand_account)
    return caught.value.body


def test_a_partner_node_is_refused_with_the_setting_that_allows_it() -> None:
    told = refused(TOKENS, hand_account=False)

    assert told["error"]["type"] == "prompt_outputs_failed_validation"
    assert list(told["node_errors"]) == ["1"]
    node = told["node_errors"]["1"]
    assert (node["class_type"], node["dependent_outputs"]) == ("Partner", [])
    assert "Set COMFY_ORG_TOKENS=1" in node["errors"][0]["details"]
    assert "token-of-a-page" not in str(told)


@pytest.mark.parametrize(
    "extra_data", [{}, {"api_key_comfy_org": ""}, {"api_key_comfy_org": 5}, {"api_key_comfy_org": "k" * 20_000}]
)
def test_a_partner_node_without_a_sign_in_is_refused_too(extra_data: Any) -> None:
    (node,) = refused(extra_data, hand_account=True)["node_errors"].values()

    assert "Sign in" in node["errors"][0]["details"]


@pytest.mark.parametrize(("kind", "gets"), [("Partner", True), ("Custom", True), ("Old", True), ("Plain", False)])
def test_only_a_prompt_that_asks_for_the_token_gets_it(kind: str, gets: bool) -> None:
    body = {"prompt": prompt(kind), "extra_data": TOKENS}
    admitted = admit(admission(body, Sides.here_only(INFOS), NEW, 7, hand_account=True), {})

    assert dict(admitted.account.tokens) == (TOKENS if gets else {})
    assert not set(TOKENS) & set(admitted.submission.extra_data)


def test_a_custom_node_that_could_use_a_token_runs_without_one_as_before() -> None:
    admitted = admit(admission({"prompt": prompt("Custom"), "extra_data": TOKENS}, Sides.here_only(INFOS), NEW, 7), {})

    assert not admitted.account.tokens


def test_a_partner_node_that_no_output_needs_is_no_obstacle() -> None:
    graph = prompt("Plain") | {"9": {"class_type": "Partner", "inputs": {}}}

    assert account_errors(graph, INFOS, ["2"], Account(), allowed=False) == {}
    assert not uses_account(graph, INFOS, ["2"])
    assert list(account_errors(graph, INFOS, [], Account(), allowed=False)) == ["9"]  # only the endpoint knows outputs


def test_the_tokens_are_not_in_what_a_debugger_or_a_log_shows() -> None:
    assert "token-of-a-page" not in repr(Account.of(TOKENS))
    assert Account.of(["odd"]).tokens == {}
