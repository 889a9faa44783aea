"""scripts/deploy.py against a server that takes what RunPod's published schemas allow, and nothing else."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from client.deploy import completed, main, variables
from client.deployment import DEFAULTS, ChoiceRefused, EndpointChoices
from tests.support.rest_api import KEY, SPEC, RestApiServer, rest_api_server
from tests.support.stack import PROJECT

IMAGE = ("--image", "me/worker:1")


@pytest.fixture
async def api() -> AsyncIterator[RestApiServer]:
    async with rest_api_server() as server:
        yield server


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMFY_RUNPOD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def deploy(
    api: RestApiServer | None, *arguments: str, key: str = KEY, given: str = "", **more: str
) -> tuple[int, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "DOCKER_"))}
    environ |= {"RUNPOD_API_KEY": key, "RUNPOD_REST_BASE_URL": api.url if api else "http://127.0.0.1:1/v2", **more}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROJECT / "scripts" / "deploy.py"), *arguments, env=environ,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate(given.encode()))[0].decode()
    assert process.returncode is not None
    return process.returncode, output


async def test_template_and_endpoint_are_made_as_the_api_wants_them(api: RestApiServer) -> None:
    status, output = await deploy(
        api, *IMAGE, "--gpu-pool", "AMPERE_24", RUNPOD_VOLUME_ID="vol1", RUNPOD_DATACENTER="EU-RO-1"
    )

    (_, _, template), (_, _, endpoint) = api.writes
    assert status == 0, output
    assert template["image"] == endpoint["image"] == "me/worker:1"
    assert endpoint["gpu"]["pools"] == ["AMPERE_24"]
    assert endpoint["flashboot"] == "FLASHBOOT"
    assert endpoint["workers"] == {"min": 0, "max": 3, "idleTimeout": 10}
    assert (endpoint["networkVolumes"], endpoint["dataCenterIds"]) == (["vol1"], ["EU-RO-1"])
    assert "AMPERE_24 (A5000, L4; 24 GB; $0.69/h)" in output
    assert output.splitlines()[-1] == "RUNPOD_ENDPOINT_ID=serverless-1"


async def test_the_second_time_nothing_is_written(api: RestApiServer) -> None:
    await deploy(api, *IMAGE)
    api.writes.clear()

    status, output = await deploy(api, *IMAGE)

    assert status == 0
    assert api.writes == []
    assert output.count("is as it should be") == 2


async def test_another_image_leaves_the_volume_and_the_workers_alone(api: RestApiServer) -> None:
    await deploy(api, *IMAGE, "--volume", "vol1")
    (endpoint,) = api.kept["serverless"]
    endpoint["workers"]["max"] = 9
    api.writes.clear()

    status, output = await deploy(api, "--image", "me/worker:2", RUNPOD_VOLUME_ID="vol2")

    assert status == 0, output
    assert [body for _, _, body in api.writes] == [{"image": "me/worker:2"}] * 2
    assert (endpoint["networkVolumes"], endpoint["workers"]["max"]) == (["vol1"], 9)
    assert "RUNPOD_VOLUME_ID=vol2 is not attached to this endpoint" in output


async def test_a_change_is_patched_and_variables_set_elsewhere_stay(api: RestApiServer) -> None:
    await deploy(api, *IMAGE)
    api.kept["serverless"][0]["env"] = {"SET_IN_CONSOLE": "1"}
    api.writes.clear()

    status, output = await deploy(api, "--max-workers", "5", "--env", "HF_TOKEN", HF_TOKEN="hf_value")

    assert status == 0, output
    assert [(method, kind) for method, kind, _ in api.writes] == [("PATCH", "serverless"), ("PATCH", "templates")]
    assert api.writes[0][2] == {
        "env": {"SET_IN_CONSOLE": "1", "HF_TOKEN": "hf_value"}, "workers": {"min": 0, "max": 5, "idleTimeout": 10},
    }  # fmt: skip
    assert len(api.kept["serverless"]) == 1
    assert "hf_value" not in output


@pytest.mark.parametrize(
    ("given", "more", "volumes"), [("", (), ["vol1"]), ("n\n", (), ["vol1"]), ("y\n", (), []), ("", ("--yes",), [])]
)
async def test_a_volume_is_detached_only_when_somebody_says_yes(
    api: RestApiServer, given: str, more: tuple[str, ...], volumes: list[str]
) -> None:
    await deploy(api, *IMAGE, "--volume", "vol1")

    status, output = await deploy(api, "--volume", "", *more, given=given)

    assert "TAKES AWAY: the network volume vol1 is detached" in output
    assert api.kept["serverless"][0]["networkVolumes"] == volumes
    assert (status == 0) == (not volumes)
    assert ("nothing was changed" in output) == bool(volumes)


async def test_a_dry_run_reads_the_endpoint_and_shows_the_difference(api: RestApiServer) -> None:
    await deploy(api, *IMAGE, "--volume", "vol1")
    api.writes.clear()

    status, output = await deploy(api, "--volume", "", "--env", "TOKEN=very-secret", "--dry-run")

    assert status == 0, output
    assert "networkVolumes: vol1 → none" in output
    assert "env.TOKEN: not set → [hidden]" in output
    assert "very-secret" not in output
    assert api.writes == []


async def test_a_dry_run_without_a_key_asks_nobody_and_shows_no_value() -> None:
    status, output = await deploy(None, *IMAGE, "--dry-run", "--env", "TOKEN=very-secret", key="")

    assert status == 0
    assert "POST http://127.0.0.1:1/v2/serverless" in output
    assert "very-secret" not in output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--flashboot", "yes"), "'yes' is not one of 'OFF', 'FLASHBOOT', 'PRIORITY_FLASHBOOT'"),
        (("--min-workers", "5", "--max-workers", "2"), "--min-workers 5 is more than --max-workers 2"),
        (("--max-workers", "0"), "0 is not in the range x>=1"),
        (("--idle-timeout", "3601"), "3601 is not in the range 1<=x<=3600"),
        (("--queue-delay", "0.1"), "0.1 is not in the range x>=0.5"),
        (("--timeout", "4"), "4 is not in the range 5<=x<=604800"),
        (("--disk", "0"), "0 is not in the range x>=1"),
        (("--gpu-pool", "ADA_42"), "there is no GPU pool ADA_42; did you mean ADA_24? RunPod has: ADA_24 (RTX 4090"),
        (("--image", "me/worker 1"), "this cannot be the name of an image"),
        (("--env", "NOWHERE"), "--env NOWHERE: this variable is not set here"),
    ],
)
async def test_a_value_that_cannot_be_is_refused_before_anything_is_written(
    api: RestApiServer, arguments: tuple[str, ...], says: str
) -> None:
    status, output = await deploy(api, *IMAGE, *arguments)

    assert status != 0
    assert says in " ".join(output.split())
    assert api.writes == []


async def test_a_key_that_may_not_read_the_catalogue_can_deploy(api: RestApiServer) -> None:
    api.gpus = None

    status, output = await deploy(api, *IMAGE)

    assert status == 0
    assert "pools and prices are not checked" in output


async def test_a_wrong_key_names_the_variable(api: RestApiServer) -> None:
    status, output = await deploy(api, *IMAGE, key="rpa_other")

    assert status == 1
    assert "invalid api key" in output
    assert "RUNPOD_API_KEY" in output


async def test_two_of_one_name_are_not_guessed_between(api: RestApiServer) -> None:
    await deploy(api, *IMAGE)
    api.kept["serverless"].append({**api.kept["serverless"][0], "id": "twin"})

    status, output = await deploy(api, *IMAGE)

    assert status == 1
    assert "2 serverless called comfy-runpod" in output


def test_a_variable_has_the_value_that_was_given_or_the_one_it_has_here() -> None:
    assert variables(("A=1=2", "B", "C="), {"A": "here", "B": "here"}) == {"A": "1=2", "B": "here", "C": ""}
    with pytest.raises(ChoiceRefused, match="--env D"):
        variables(("D",), {"A": "here"})


def test_a_new_endpoint_gets_the_defaults_and_the_volume_of_the_settings() -> None:
    named = EndpointChoices(image="me/worker:1", max_workers=5, min_workers=0, datacenter="")
    here = {"RUNPOD_VOLUME_ID": "vol1", "RUNPOD_DATACENTER": "EU-RO-1"}

    assert completed(named, None, here) == replace(
        DEFAULTS, image="me/worker:1", max_workers=5, volume="vol1", datacenter=""
    )
    assert completed(named, None, {}) == replace(DEFAULTS, image="me/worker:1", max_workers=5, datacenter="")


def test_an_endpoint_that_exists_gets_what_was_named() -> None:
    named = EndpointChoices(max_workers=5)

    assert completed(named, {"id": "ep1"}, {"RUNPOD_VOLUME_ID": "vol1"}) == named


async def test_an_image_that_was_not_built_here_is_known_after_the_first_job(api: RestApiServer, home: Path) -> None:
    (home / "catalogs").mkdir(parents=True)
    (home / "catalogs" / "serverless-1.image").write_text("of the image before")

    status, output = await deploy(api, *IMAGE)

    assert status == 0, output
    assert "What me/worker:1 has is known after its first job" in output
    assert not (home / "catalogs" / "serverless-1.image").exists()


async def test_what_is_known_of_an_image_stays_when_the_endpoint_keeps_it(api: RestApiServer, home: Path) -> None:
    await deploy(api, *IMAGE)
    (home / "catalogs").mkdir(parents=True, exist_ok=True)
    known = home / "catalogs" / "serverless-1.image"
    known.write_text("of this image")

    status, output = await deploy(api, "--max-workers", "5")

    assert status == 0, output
    assert "first job" not in output
    assert known.exists()


def test_the_bounds_of_the_options_are_the_published_ones() -> None:
    schemas = SPEC["components"]["schemas"]
    bounds = {
        "idle_timeout": schemas["EndpointWorkers"]["properties"]["idleTimeout"],
        "min_workers": schemas["EndpointWorkers"]["properties"]["min"],
        "queue_delay": schemas["QueueDelayScaling"]["properties"]["queueDelay"],
        "disk": schemas["BaseContainerConfig"]["properties"]["disk"],
    }
    ranges = {option.name: option.type for option in main.params}

    for name, published in bounds.items():
        kind = ranges[name]
        assert isinstance(kind, click.IntRange | click.FloatRange)
        assert (kind.min, kind.max) == (published["minimum"], published.get("maximum"))
