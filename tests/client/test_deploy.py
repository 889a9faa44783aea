"""scripts/deploy.py against a server that takes what RunPod's published schemas allow, and nothing else."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click
import pytest

from client.deploy import EndpointChoices, default_image, endpoint_body, template_body, variables
from tests.support.rest_api import KEY, RestApiServer, rest_api_server
from tests.support.stack import PROJECT


@pytest.fixture
async def api() -> AsyncIterator[RestApiServer]:
    async with rest_api_server() as server:
        yield server


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMFY_RUNPOD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


async def deploy(api: RestApiServer | None, *arguments: str, key: str = KEY, **more: str) -> tuple[int, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "DOCKER_"))}
    environ |= {"RUNPOD_API_KEY": key, "RUNPOD_REST_BASE_URL": api.url if api else "http://127.0.0.1:1/v2", **more}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROJECT / "scripts" / "deploy.py"), "--image", "me/worker:1", *arguments,
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    assert process.returncode is not None
    return process.returncode, output


async def test_template_and_endpoint_are_made_as_the_api_wants_them(api: RestApiServer) -> None:
    status, output = await deploy(api, "--volume", "vol1", "--datacenter", "EU-RO-1", "--gpu-pool", "AMPERE_24")

    (_, _, template), (_, _, endpoint) = api.writes
    assert status == 0, output
    assert template["image"] == endpoint["image"] == "me/worker:1"
    assert endpoint["gpu"]["pools"] == ["AMPERE_24"]
    assert endpoint["flashboot"] == "FLASHBOOT"
    assert endpoint["networkVolumes"] == ["vol1"]
    assert output.splitlines()[-1] == "RUNPOD_ENDPOINT_ID=serverless-1"


async def test_the_second_time_nothing_is_written(api: RestApiServer) -> None:
    await deploy(api)
    api.writes.clear()

    status, output = await deploy(api)

    assert status == 0
    assert api.writes == []
    assert output.count("is as it should be") == 2


async def test_a_change_is_patched_and_variables_set_elsewhere_stay(api: RestApiServer) -> None:
    await deploy(api)
    api.kept["serverless"][0]["env"] = {"SET_IN_CONSOLE": "1"}
    api.writes.clear()

    status, output = await deploy(api, "--max-workers", "5", "--env", "HF_TOKEN", HF_TOKEN="hf_value")

    assert status == 0, output
    assert [method for method, _, _ in api.writes] == ["PATCH", "PATCH"]
    assert api.writes[1][2]["env"] == {"SET_IN_CONSOLE": "1", "HF_TOKEN": "hf_value"}
    assert api.writes[1][2]["workers"] == {"min": 0, "max": 5, "idleTimeout": 10}
    assert len(api.kept["serverless"]) == 1
    assert "hf_value" not in output


async def test_a_dry_run_asks_nobody_and_shows_no_value() -> None:
    status, output = await deploy(None, "--dry-run", "--env", "TOKEN=very-secret", key="")

    assert status == 0
    assert "POST http://127.0.0.1:1/v2/serverless" in output
    assert "very-secret" not in output


async def test_a_refusal_is_told_in_the_apis_words(api: RestApiServer) -> None:
    status, output = await deploy(api, "--flashboot", "MAYBE")

    assert status == 1
    assert "422 validation failed" in output
    assert "'MAYBE' is not one of" in output


async def test_a_wrong_key_names_the_variable(api: RestApiServer) -> None:
    status, output = await deploy(api, key="rpa_other")

    assert status == 1
    assert "invalid api key" in output
    assert "RUNPOD_API_KEY" in output


async def test_two_of_one_name_are_not_guessed_between(api: RestApiServer) -> None:
    await deploy(api)
    api.kept["serverless"].append({**api.kept["serverless"][0], "id": "twin"})

    status, output = await deploy(api)

    assert status == 1
    assert "2 serverless called comfy-runpod" in output


def choices(**changes: object) -> EndpointChoices:
    chosen: dict[str, object] = {
        "name": "n", "image": "me/worker:1", "env": {}, "gpu_pool": ("ADA_24",), "min_workers": 0, "max_workers": 3,
        "idle_timeout": 10, "queue_delay": 4.0, "timeout": 60, "disk": 20, "flashboot": "FLASHBOOT", "volume": None,
        "datacenter": None, "registry": None,
    }  # fmt: skip
    return EndpointChoices(**{**chosen, **changes})  # type: ignore[arg-type]


def test_only_what_was_chosen_is_asked_for() -> None:
    plain = endpoint_body(choices())
    chosen = endpoint_body(choices(volume="vol1", datacenter="EU-RO-1", registry="reg1", timeout=90))

    assert plain["networkVolumes"] == []
    assert not {"dataCenterIds", "registry"} & set(plain)
    assert (chosen["networkVolumes"], chosen["dataCenterIds"], chosen["registry"]) == (["vol1"], ["EU-RO-1"], "reg1")
    assert chosen["timeout"] == 90_000


def test_nobody_gets_a_shell_on_the_worker() -> None:
    template = template_body(choices(env={"A": "1"}))

    assert (template["startSsh"], template["startJupyter"], template["public"]) == (False, False, False)
    assert template["env"] == {"A": "1"}


def test_a_variable_has_the_value_that_was_given_or_the_one_it_has_here() -> None:
    assert variables(("A=1=2", "B", "C="), {"A": "here", "B": "here"}) == {"A": "1=2", "B": "here", "C": ""}
    with pytest.raises(click.ClickException, match="--env D"):
        variables(("D",), {"A": "here"})


def test_the_image_is_the_one_that_the_build_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_REGISTRY", "registry.example.com/me")

    assert default_image().startswith("registry.example.com/me/")


def test_a_build_that_cannot_say_its_image_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_TAG", "not a tag")

    with pytest.raises(click.ClickException, match=r"build\.sh: .*not a tag"):
        default_image()


async def test_an_image_that_was_not_built_here_is_known_after_the_first_job(api: RestApiServer, home: Path) -> None:
    (home / "catalogs").mkdir(parents=True)
    (home / "catalogs" / "serverless-1.image").write_text("of the image before")

    status, output = await deploy(api)

    assert status == 0
    assert "What me/worker:1 has is known after its first job" in output
    assert not (home / "catalogs" / "serverless-1.image").exists()
