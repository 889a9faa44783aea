"""What an endpoint and its template become, by the schemas that RunPod has published."""

from dataclasses import replace
from typing import Any

import pytest

from client.deployment import (
    DEFAULTS,
    FLASHBOOT,
    ChoiceRefused,
    EndpointChoices,
    endpoint_changes,
    losses,
    new_endpoint,
    new_template,
    require_sense,
    shown_differences,
    template_changes,
    without_secrets,
)
from client.gpu_catalog import read_pools
from tests.support.rest_api import GPUS, SPEC, complaints

POOLS = read_pools(GPUS)
NEW = replace(DEFAULTS, image="me/worker:1")
KNOWN: dict[str, Any] = {
    "id": "ep1", "name": "n", "type": "QUEUE", "image": "me/worker:1", "disk": 20, "env": {"SET_IN_CONSOLE": "1"},
    "gpu": {"pools": ["ADA_24", "AMPERE_24"], "excludedTypes": ["NVIDIA A5000"], "count": 2,
            "allowedCudaVersions": [], "minCudaVersion": None},
    "workers": {"min": 1, "max": 7, "idleTimeout": 60}, "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    "flashboot": "PRIORITY_FLASHBOOT", "timeout": 3_600_000, "networkVolumes": ["vol1"], "dataCenterIds": ["EU-RO-1"],
}  # fmt: skip


def test_a_new_endpoint_and_its_template_are_as_the_schemas_want_them() -> None:
    chosen = replace(NEW, volume="vol1", datacenter="EU-RO-1", registry="reg1", env={"A": "1"})

    endpoint, template = new_endpoint("n", chosen), new_template("n", chosen)

    assert not complaints("CreateEndpointRequest", endpoint)
    assert not complaints("CreateTemplateRequest", template)
    assert (endpoint["networkVolumes"], endpoint["dataCenterIds"], endpoint["registry"]) == (
        ["vol1"],
        ["EU-RO-1"],
        "reg1",
    )
    assert endpoint["timeout"] == 1_800_000
    assert endpoint["gpu"] == {"pools": ["ADA_24"], "count": 1, "minCudaVersion": "12.8"}


def test_what_was_not_chosen_is_not_in_a_new_endpoint() -> None:
    assert not {"dataCenterIds", "registry", "env"} & set(new_endpoint("n", NEW))


def test_nobody_gets_a_shell_on_the_worker() -> None:
    template = new_template("n", replace(NEW, env={"A": "1"}))

    assert (template["startSsh"], template["startJupyter"], template["public"]) == (False, False, False)
    assert template["env"] == {"A": "1"}


@pytest.mark.parametrize(
    ("chosen", "changes"),
    [
        (EndpointChoices(), {}),
        (EndpointChoices(image="me/worker:2"), {"image": "me/worker:2"}),
        (EndpointChoices(image="me/worker:1", disk=20, volume="vol1", timeout=3600), {}),
        (EndpointChoices(max_workers=8), {"workers": {"min": 1, "max": 8, "idleTimeout": 60}}),
        (EndpointChoices(idle_timeout=5), {"workers": {"min": 1, "max": 7, "idleTimeout": 5}}),
        (EndpointChoices(timeout=60), {"timeout": 60_000}),
        (EndpointChoices(volume=""), {"networkVolumes": []}),
        (EndpointChoices(volume="vol2"), {"networkVolumes": ["vol2"]}),
        (EndpointChoices(datacenter=""), {"dataCenterIds": []}),
        (EndpointChoices(env={"A": "1"}), {"env": {"SET_IN_CONSOLE": "1", "A": "1"}}),
        (EndpointChoices(queue_delay=8.0), {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 8.0}}),
        (EndpointChoices(flashboot="OFF"), {"flashboot": "OFF"}),
        (EndpointChoices(gpu_pool=("AMPERE_24",)), {
            "gpu": {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA A5000"], "count": 2}
        }),
        (EndpointChoices(gpu_pool=("HOPPER_141",)), {"gpu": {"pools": ["HOPPER_141"], "count": 2}}),
    ],
)  # fmt: skip
def test_only_what_was_named_is_changed(chosen: EndpointChoices, changes: dict[str, Any]) -> None:
    patch = endpoint_changes(chosen, KNOWN, POOLS)

    assert patch == changes
    assert not complaints("UpdateEndpointRequest", patch)


def test_an_idle_time_that_the_api_left_out_is_not_invented() -> None:
    known = {**KNOWN, "workers": {"min": 0, "max": 3}, "scaling": {"type": "REQUEST_COUNT", "requestCount": 1}}

    assert endpoint_changes(EndpointChoices(max_workers=5), known, {}) == {"workers": {"min": 0, "max": 5}}


def test_a_template_gets_what_belongs_to_the_container() -> None:
    known = {"image": "me/worker:1", "disk": 20, "env": {}}

    assert template_changes(EndpointChoices(max_workers=5, disk=30, env={"A": "1"}), known) == {
        "disk": 30,
        "env": {"A": "1"},
    }


@pytest.mark.parametrize(
    ("chosen", "lost"),
    [
        (EndpointChoices(image="me/worker:2", max_workers=8, timeout=7200, disk=30), []),
        (EndpointChoices(volume=""), ["the network volume vol1 is detached"]),
        (EndpointChoices(volume="vol2"), ["the network volume vol1 is detached"]),
        (EndpointChoices(datacenter="US-KS-2"), ["workers no longer run in EU-RO-1"]),
        (EndpointChoices(max_workers=3), ["at most 3 workers run at once, instead of 7"]),
        (EndpointChoices(min_workers=0), ["0 workers are kept running, instead of 1"]),
        (EndpointChoices(timeout=600), ["jobs are ended after 600 s, instead of 3600 s"]),
        (EndpointChoices(disk=10), ["a worker has 10 GB of disk, instead of 20 GB"]),
        (EndpointChoices(flashboot="FLASHBOOT"), ["FlashBoot is FLASHBOOT, instead of PRIORITY_FLASHBOOT"]),
        (EndpointChoices(gpu_pool=("AMPERE_24",)), ["workers no longer run on ADA_24"]),
        (EndpointChoices(gpu_pool=("ADA_24", "AMPERE_24", "HOPPER_141")), []),
    ],
)
def test_what_a_change_takes_away_is_named(chosen: EndpointChoices, lost: list[str]) -> None:
    assert losses(KNOWN, endpoint_changes(chosen, KNOWN, POOLS)) == lost


def test_a_gpu_that_is_not_excluded_any_more_is_named() -> None:
    changes = endpoint_changes(EndpointChoices(gpu_pool=("ADA_24",)), KNOWN, POOLS)

    assert "NVIDIA A5000 is no longer excluded" in losses(KNOWN, changes)


@pytest.mark.parametrize(
    ("chosen", "after", "why"),
    [
        (
            EndpointChoices(min_workers=5),
            {"workers": {"min": 5, "max": 2}},
            "--min-workers 5 is more than --max-workers 2",
        ),
        (
            EndpointChoices(idle_timeout=5),
            {"workers": {"max": 1}, "scaling": {"type": "REQUEST_COUNT"}},
            "--idle-timeout",
        ),
        (EndpointChoices(), {"name": "n", "type": "LOAD_BALANCER"}, "n is not an endpoint with a queue"),
    ],
)
def test_values_that_do_not_go_together_are_refused(chosen: EndpointChoices, after: dict[str, Any], why: str) -> None:
    with pytest.raises(ChoiceRefused, match=why):
        require_sense(chosen, after)


def test_the_difference_is_shown_without_the_values_of_variables() -> None:
    changes = endpoint_changes(
        EndpointChoices(max_workers=8, env={"TOKEN": "s3cret"}, volume="", disk=20), KNOWN, POOLS
    )

    assert shown_differences(KNOWN, changes) == [
        "env.TOKEN: not set → [hidden]",
        "workers.max: 7 → 8",
        "networkVolumes: vol1 → none",
    ]


def test_values_of_variables_are_not_shown() -> None:
    body = {"name": "n", "env": {"A": "1"}}

    assert without_secrets(body) == {"name": "n", "env": {"A": "[hidden]"}}
    assert body["env"] == {"A": "1"}
    assert without_secrets({"name": "n"}) == {"name": "n"}


def test_the_kinds_of_flashboot_are_the_published_ones() -> None:
    assert list(FLASHBOOT) == SPEC["components"]["schemas"]["FlashBoot"]["enum"]
