"""scripts/send-to-runpod.py as a process, against the sandbox endpoint with its real worker."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from PIL import Image

from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from tests.support.comfyui import SANDBOX, comfyui_process
from tests.support.prompts import Prompt, inverted_file, inverted_image
from tests.support.scripts import Finished, environment, finished, line_with, run_script, started
from tests.support.stack import PROJECT
from tests.support.until import until

SCRIPT = "send-to-runpod.py"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Bed:
    """An endpoint, and a folder for each test."""

    endpoint: Running
    folder: Path
    environ: dict[str, str]

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def arguments(self, prompt: object, *more: object) -> tuple[object, ...]:
        workflow = self.folder / "workflow.json"
        workflow.write_text(json.dumps(prompt), encoding="utf-8")
        return ("--workflow", workflow, "--output", self.output, "--input", self.folder / "input", *more)

    async def send(self, prompt: object, *more: object, **variables: str) -> Finished:
        arguments = self.arguments(prompt, *more)
        return await run_script(SCRIPT, *arguments, environ=self.environ | variables, cwd=self.folder)

    def status(self, job_id: str) -> str:
        return self.endpoint.service.state.jobs[job_id].status.value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    environ = {"COMFYUI_HOME": str(SANDBOX), "COMFYUI_PYTHON": sys.executable}
    command = WorkerCommand((sys.executable, "-m", "worker"), tmp_path_factory.mktemp("worker"), environ)
    async with running_endpoint(Options(api_key="secret"), command=command) as running:
        yield running


@pytest.fixture
def bed(endpoint: Running, tmp_path: Path) -> Bed:
    variables = {
        "RUNPOD_ENDPOINT_BASE_URL": endpoint.url,
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_API_KEY": "secret",
        "COMFYUI_URL": "http://127.0.0.1:9",
        "COMFY_RUNPOD_HOME": str(tmp_path / "home"),
    }
    return Bed(endpoint, tmp_path, environment(**variables))


def slow(seconds: float) -> Prompt:
    inputs = {"image": ["1", 0], "steps": 1, "seconds_per_step": seconds}
    return {**inverted_image(), "2": {"class_type": "SandboxSlow", "inputs": inputs}}


async def test_the_results_go_on_counting_where_the_output_folder_ends(bed: Bed) -> None:
    (bed.output / "a").mkdir(parents=True)
    (bed.output / "a" / "x_00041_.png").write_bytes(b"yesterday's")
    done = await bed.send(inverted_image(prefix="a/x"), "--no-open")

    assert done.status == 0, done.err
    assert done.out.splitlines() == [str(bed.output / "a" / "x_00042_.png")]
    assert Image.open(bed.output / "a" / "x_00042_.png").size == (64, 64)
    assert [line for line in done.err.splitlines() if line in ("EmptyImage", "Invert Image", "Save Image", "done")]
    assert not list((bed.folder / "home" / "sessions").iterdir())


async def test_machines_get_one_object_a_job(bed: Bed) -> None:
    changes = ("--set", "EmptyImage.color=255", "--set", "3.filename_prefix=two", "--count", "2", "--json")
    done = await bed.send(inverted_image(), *changes)
    outcomes = [json.loads(line) for line in done.out.splitlines()]

    assert done.status == 0, done.err
    assert [outcome["status"] for outcome in outcomes] == ["completed", "completed"]
    assert len({outcome["id"] for outcome in outcomes}) == 2
    assert all(outcome["executed_s"] is not None for outcome in outcomes)
    assert Image.open(outcomes[0]["files"][0]).convert("RGB").getpixel((0, 0)) == (255, 255, 0)


async def test_reference_images_are_named_or_lie_in_the_input_folder(bed: Bed) -> None:
    images = bed.folder / "references"
    for name, color in (("masks/mask 1.png", (255, 0, 0)), ("unused.png", (0, 0, 0))):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), color).save(images / name)
    (bed.folder / "input").mkdir()
    Image.new("RGB", (8, 8), (0, 0, 255)).save(bed.folder / "input" / "blue.png")
    named = await bed.send(inverted_file("masks/mask 1.png"), "--images", images, "--json")
    found = await bed.send(inverted_file("blue.png"), "--json")

    assert pixel(named) == (0, 255, 255), named.err
    assert "unused.png" in named.err
    assert pixel(found) == (255, 255, 0), found.err


def pixel(done: Finished) -> Any:
    return Image.open(json.loads(done.out)["files"][0]).convert("RGB").getpixel((0, 0))


async def test_an_image_that_is_nowhere_is_told_before_anything_is_submitted(bed: Bed) -> None:
    before = len(bed.endpoint.service.state.jobs)
    done = await bed.send(inverted_file("nowhere.png"), "--json")

    assert done.status == 1
    assert "nowhere.png" in json.loads(done.out)["error"]
    assert len(bed.endpoint.service.state.jobs) == before


async def test_the_page_format_needs_a_comfyui_that_answers(bed: Bed, tmp_path: Path) -> None:
    graph = json.loads((PROJECT / "workflows" / "invert.json").read_text(encoding="utf-8"))
    refused = await bed.send(graph)
    async with comfyui_process(data=tmp_path) as url:
        done = await bed.send(graph, "--json", COMFYUI_URL=url)

    assert (refused.status, refused.out) == (1, "")
    assert "Export (API)" in refused.err
    assert done.status == 0, done.err
    assert json.loads(Image.open(json.loads(done.out)["files"][0]).info["workflow"]) == graph


async def test_several_workflows_go_into_the_output_folder_of_where_the_person_is(bed: Bed) -> None:
    for name in ("one", "two"):
        (bed.folder / f"{name}.json").write_text(json.dumps(inverted_image(prefix=name)), encoding="utf-8")
    done = await run_script(
        SCRIPT, "-w", "one.json", "-w", "two.json", "--no-open", environ=bed.environ, cwd=bed.folder
    )

    assert done.status == 0, done.err
    assert done.out.splitlines() == [str(bed.output / f"{name}_00001_.png") for name in ("one", "two")]


async def test_a_result_is_sent_again_as_what_ran(bed: Bed) -> None:
    first = await bed.send(inverted_image(prefix="first"), "--no-open")
    again = await run_script(
        SCRIPT, "-w", first.out.strip(), "--api", "--no-open", environ=bed.environ, cwd=bed.folder
    )  # fmt: skip

    assert again.status == 0, again.err
    assert again.out.splitlines() == [str(bed.output / "first_00002_.png")]


async def test_ctrl_c_cancels_the_job_at_the_endpoint(bed: Bed) -> None:
    arguments = bed.arguments(slow(60), "--no-open", "--json")
    async with started(SCRIPT, *arguments, environ=bed.environ, cwd=bed.folder) as process:
        job_id = (await line_with(process.stderr, "job ")).split()[1]
        await line_with(process.stderr, "SandboxSlow")
        process.send_signal(signal.SIGINT)
        done = await finished(process)

    assert done.status == 1
    assert json.loads(done.out)["status"] == "cancelled"
    assert bed.status(job_id) == "CANCELLED"


async def test_a_timeout_cancels_too(bed: Bed) -> None:
    done = await bed.send(slow(59), "--timeout", "1", "--json")
    outcome = json.loads(done.out)

    assert (done.status, outcome["status"]) == (1, "cancelled")
    assert bed.status(outcome["id"]) == "CANCELLED"


async def test_a_killed_command_takes_its_job_up_again(bed: Bed) -> None:
    arguments = bed.arguments(slow(1.5), "--no-open")
    async with started(SCRIPT, *arguments, environ=bed.environ, cwd=bed.folder) as process:
        job_id = (await line_with(process.stderr, "job ")).split()[1]
        await line_with(process.stderr, "SandboxSlow")
        process.kill()
    other = await bed.send(inverted_image(prefix="other"), "--json")
    resumed = await run_script(
        SCRIPT, "--resume", job_id, "--output", bed.output, "--no-open", environ=bed.environ, cwd=bed.folder
    )  # fmt: skip

    assert f"--resume {job_id}" in other.err
    assert resumed.status == 0, resumed.err
    assert resumed.out.splitlines() == [str(bed.output / "ComfyUI_00001_.png")]


async def test_a_job_of_another_program_can_be_followed_and_an_unknown_one_is_refused(bed: Bed) -> None:
    url, headers = f"{bed.endpoint.url}/sandbox/run", {"Authorization": "Bearer secret"}
    body = {"input": {"workflow": inverted_image(prefix="foreign")}}
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as response:
        job_id = (await response.json())["id"]
    common = {"environ": bed.environ, "cwd": bed.folder}
    followed = await run_script(SCRIPT, "--resume", job_id, "--output", bed.output, "--json", **common)  # type: ignore[arg-type]
    unknown = await run_script(SCRIPT, "--resume", "nope", **common)  # type: ignore[arg-type]

    assert json.loads(followed.out)["files"] == [str(bed.output / "foreign_00001_.png")]
    assert (unknown.status, "does not know this job" in unknown.err) == (1, True)


async def test_the_results_are_opened_with_the_platforms_viewer(bed: Bed) -> None:
    viewer, opened = bed.folder / "bin" / "xdg-open", bed.folder / "opened"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n', encoding="utf-8")
    viewer.chmod(0o755)
    done = await bed.send(inverted_image(prefix="seen"), PATH=f"{viewer.parent}:{os.environ['PATH']}")

    async def looked_at() -> bool:
        return opened.exists() and opened.read_text(encoding="utf-8").strip() == done.out.strip()

    assert done.status == 0, done.err
    await until(looked_at, 10)


async def test_what_a_node_says_is_the_error(bed: Bed) -> None:
    failing = {**inverted_image(), "2": {"class_type": "SandboxFail", "inputs": {"image": ["1", 0], "message": "no"}}}
    done = await bed.send(failing, "--no-open")

    assert done.status == 1
    assert "SandboxFail #2: no" in done.err


@pytest.mark.parametrize(
    ("variables", "arguments", "says"),
    [
        ({"RUNPOD_API_KEY": "wrong"}, ("--no-open",), "Check RUNPOD_API_KEY"),
        ({}, ("--endpoint", "other"), "Check RUNPOD_ENDPOINT_ID"),
        ({"RUNPOD_API_KEY": "", "RUNPOD_ENDPOINT_ID": "", "SANDBOX_PORT": "9"}, (), "make endpoint"),
        ({"RUNPOD_API_KEY": ""}, (), "RUNPOD_API_KEY: not set"),
        ({}, ("--set", "1.nothing=2"), "no 'nothing'"),
        ({}, ("--seed", "5"), "has a seed"),
        ({}, ("--images", "nowhere.png"), "nowhere.png: no such file"),
    ],
)
async def test_what_is_wrong_is_one_clear_line(
    bed: Bed, variables: dict[str, str], arguments: tuple[str, ...], says: str
) -> None:
    done = await bed.send(inverted_image(), *arguments, **variables)

    assert done.status in (1, 2)
    assert says in done.err
    assert "Traceback" not in done.err
    assert "secret" not in done.err


async def test_the_newest_preview_is_kept_where_it_was_asked_for(bed: Bed) -> None:
    preview = bed.folder / "preview"
    done = await bed.send(slow(1), "--preview", preview, "--json")
    nowhere = await bed.send(inverted_image(), "--preview", bed.folder / "no" / "folder", "--json")

    assert done.status == 0, done.err
    assert Image.open(preview).size[0] > 0
    assert nowhere.status == 0
