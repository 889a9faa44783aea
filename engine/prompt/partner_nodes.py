"""Partner (API) nodes: they call a paid service with the person's Comfy account, whose tokens a job gets only where the
person wants that. Pure.

Source: ComfyUI 0.33.0, server.py ``node_info`` (``api_node``), execution.py ``get_input_data`` (the hidden inputs) and
comfy_api_nodes/util/_helpers.py ``get_auth_header``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from wire.file_inputs import Infos
from wire.graph import Prompt, needed
from wire.job import account_tokens
from wire.node_errors import Error, refuse

_TOKEN_MAX = 16 * 1024
"""characters; a token of Firebase, which signs people in, has some thousand"""
_HIDDEN = frozenset({"AUTH_TOKEN_COMFY_ORG", "API_KEY_COMFY_ORG"})
"""types of hidden inputs by which any node gets the tokens"""
_OFF = (
    "{kind} calls a paid service with your Comfy account, which a job at RunPod does not have. Set COMFY_ORG_TOKENS=1 "
    "and restart the proxy to hand the account's token to jobs with such nodes; docs/limits.md says where it then lies."
)
_SIGNED_OUT = "{kind} calls a paid service with your Comfy account. Sign in (Settings, User), then press Run again."
GONE = (
    "{kind} needs the token of your Comfy account, and this job has none: the proxy keeps it in memory only, until the "
    "job has ended or the proxy is restarted. Open the graph in the page and press Run again; this job cost nothing."
)


@dataclass(frozen=True, slots=True)
class Account:
    """The tokens of a Comfy account by their names in ``extra_data``; they are not in its repr."""

    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(extra_data: Any) -> "Account":
        """What the page sent; a text that is too long for a token is left out."""
        found = account_tokens(extra_data) if isinstance(extra_data, dict) else {}
        return Account({name: value for name, value in found.items() if len(value) <= _TOKEN_MAX})


NO_ACCOUNT = Account()


def partner_nodes(prompt: Prompt, infos: Infos, outputs: Iterable[str]) -> list[str]:
    """The partner nodes that *outputs* need; without outputs, when only the endpoint knows them, all of the prompt."""
    return [node_id for node_id in _running(prompt, outputs) if _info(prompt, infos, node_id).get("api_node")]


def uses_account(prompt: Prompt, infos: Infos, outputs: Iterable[str]) -> bool:
    """Whether any node that runs asks for the account's tokens, custom nodes included."""
    return any(_asks(_info(prompt, infos, node_id)) for node_id in _running(prompt, outputs))


def account_errors(
    prompt: Prompt, infos: Infos, outputs: Iterable[str], account: Account, *, allowed: bool
) -> dict[str, Any]:
    """ComfyUI's ``node_errors`` for the partner nodes that cannot run; *allowed*: jobs may have the *account*."""
    errors: dict[str, Any] = {}
    if allowed and account.tokens:
        return errors
    for node_id in partner_nodes(prompt, infos, outputs):
        reason = (_SIGNED_OUT if allowed else _OFF).format(kind=prompt[node_id]["class_type"])
        refuse(errors, prompt, node_id, _error(reason))
    return errors


def _error(reason: str) -> Error:
    return {
        "type": "partner_node_without_account",
        "message": "A partner node needs your Comfy account",
        "details": reason,
        "extra_info": {},
    }


def _running(prompt: Prompt, outputs: Iterable[str]) -> Iterable[str]:
    wanted = list(outputs)
    return needed(prompt, wanted) if wanted else prompt


def _info(prompt: Prompt, infos: Infos, node_id: str) -> Mapping[str, Any]:
    return infos.get(prompt[node_id]["class_type"]) or {}


def _asks(info: Mapping[str, Any]) -> bool:
    hidden = (info.get("input") or {}).get("hidden")
    kinds = hidden.values() if isinstance(hidden, dict) else ()
    return bool(info.get("api_node")) or any(_type_of(kind) in _HIDDEN for kind in kinds)


def _type_of(spec: Any) -> str:
    """A hidden input's type, which is a text, or the first item of a list."""
    kind = spec[0] if isinstance(spec, list | tuple) and spec else spec
    return kind if isinstance(kind, str) else ""
