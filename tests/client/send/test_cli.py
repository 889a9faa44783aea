"""scripts/send-to-runpod.py, in process: what it refuses before anything is submitted."""

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from client.send.cli import main
from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from tests.support.ports import free_port
from tests.support.served import served


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    unset = dict.fromkeys(("RUNPOD_API_KEY", "RUNPOD_ENDPOINT_ID", "COMFYUI_DIR"))
    ports = {"SANDBOX_PORT": str(free_port()), "COMFYUI_URL": f"http://127.0.0.1:{free_port()}"}
    return CliRunner(env={**unset, **ports, "COMFY_RUNPOD_HOME": str(tmp_path)})


def is_one_sentence(done: Result) -> bool:
    return done.output.count("\n") == 1 and "Traceback" not in done.output


@pytest.mark.parametrize("seed", ["-1", "1.5", "any"])
def test_a_seed_is_a_number_or_the_word_random(runner: CliRunner, seed: str) -> None:
    done = runner.invoke(main, ["--seed", seed])

    assert done.exit_code == 2
    assert "must be a number or the word random" in done.output


def test_without_an_endpoint_the_variables_are_named(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"1": {"class_type": "SaveImage", "inputs": {}}}', encoding="utf-8")
    done = runner.invoke(main, ["--workflow", str(tmp_path / "x.json")])

    assert done.exit_code == 1
    assert is_one_sentence(done)
    assert "RUNPOD_ENDPOINT_ID" in done.output


def test_the_file_is_looked_at_before_the_endpoint_is_asked(runner: CliRunner) -> None:
    done = runner.invoke(main, ["--workflow", "nowhere.json"])

    assert "nowhere.json: cannot be read" in done.output
    assert is_one_sentence(done)


async def test_a_node_that_the_sandbox_does_not_know_is_explained(runner: CliRunner, tmp_path: Path) -> None:
    async def nothing(_: web.Request) -> web.Response:
        return web.json_response({})

    graph = {"nodes": [{"id": 1, "type": "CheckpointLoaderSimple", "inputs": [], "outputs": []}], "links": []}
    (tmp_path / "sdxl.json").write_text(json.dumps(graph), encoding="utf-8")
    app, port = web.Application(), free_port()
    app.add_routes([web.get("/{path:.*}", nothing)])
    async with served(app) as url, running_endpoint(Options(), port=port):
        variables = {"SANDBOX_PORT": str(port), "COMFYUI_URL": url, "PATH": ""}
        done = await asyncio.to_thread(runner.invoke, main, ["-w", str(tmp_path / "sdxl.json")], env=variables)

    assert "ComfyUI does not know the node CheckpointLoaderSimple (#1)" in done.output
    assert "the sandbox knows only a few nodes" in done.output
    assert is_one_sentence(done)


def test_wrong_settings_have_an_exit_status_of_their_own(runner: CliRunner) -> None:
    done = runner.invoke(main, ["--workflow", "x.json"], env={"MAX_IN_FLIGHT": "0"})

    assert done.exit_code == 2
    assert done.output.startswith("MAX_IN_FLIGHT=0: ")


def test_an_endpoint_without_a_key_is_a_wrong_setting(runner: CliRunner) -> None:
    done = runner.invoke(main, ["--endpoint", "abc"])

    assert done.exit_code == 2
    assert "RUNPOD_API_KEY: not set" in done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--workflow: give a workflow file"),
        (("--workflow", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--workflow", "text.json"), "text.json: "),
        (("--workflow", "good.json", "--workflow", "text.json"), "text.json: "),
        (("--workflow", "good.json", "--set", "color"), "--set: 'color' does not have the form NODE.INPUT=VALUE"),
        (("--workflow", "good.json", "--seed", "1"), "--seed: "),
        (("--workflow", "good.json", "nowhere.png"), "--images: nowhere.png: no such file or folder"),
        (("--resume", "no-such-job"), "--resume no-such-job: "),
    ],
)
async def test_what_cannot_be_done_is_one_sentence_and_submits_nothing(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.json").write_text("not a workflow", encoding="utf-8")
    (tmp_path / "good.json").write_text('{"1": {"class_type": "SaveImage", "inputs": {"a": 1}}}', encoding="utf-8")
    port = free_port()
    async with running_endpoint(Options(), port=port) as endpoint:
        done = await asyncio.to_thread(runner.invoke, main, list(arguments), env={"SANDBOX_PORT": str(port)})

    assert done.exit_code == 1, done.output
    assert says in done.output
    assert is_one_sentence(done)
    assert endpoint.service.state.jobs == {}
