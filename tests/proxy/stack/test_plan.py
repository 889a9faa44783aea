from dataclasses import replace
from pathlib import PurePosixPath as Path

import pytest

from engine.errors import CannotStart
from proxy.stack.plan import Checkout, Situation, StackPlan, plan

BARE = Situation(
    comfyui_url="http://127.0.0.1:8188",
    comfyui_answers=False,
    checkout=None,
    gpu=False,
    endpoint_ids=(),
    endpoint_base_url="https://api.runpod.ai/v2",
    sandbox_port=8190,
    sandbox_workers=2,
    sandbox_cold_start_s=1.5,
    sandbox_key="made-for-this-start",
    python=Path("/venv/python"),
    project=Path("/project"),
    data=Path("/data"),
)
REAL = Checkout(Path("/comfy"), Path("/comfy/.venv/bin/python"))


def argv(made: StackPlan, name: str) -> str:
    (command,) = (command for command in made.commands if command.name == name)
    return " ".join(command.argv)


def test_with_nothing_set_both_sandboxes_are_started() -> None:
    made = plan(BARE)

    assert [command.name for command in made.commands] == ["comfyui", "endpoint"]
    assert argv(made, "comfyui") == (
        "/venv/python main.py --listen 127.0.0.1 --port 8188 --input-directory /data/sandbox/input"
        " --output-directory /data/sandbox/output --temp-directory /data/sandbox/temp"
        " --user-directory /data/sandbox/user --cpu"
    )
    assert argv(made, "endpoint") == (
        "/venv/python -m sandbox.endpoint --port 8190 --workers 2 --cold-start 1.5"
        " --home /data/sandbox/endpoint --comfyui-args=--cpu"
    )
    assert made.sandbox_endpoint_url == "http://127.0.0.1:8190/v2"


def test_the_sandbox_comfyui_knows_the_names_of_the_proxy() -> None:
    assert " --allow-host=box.lan --allow-host=box.example --cpu" in argv(
        plan(replace(BARE, hosts=("box.lan", "box.example"))), "comfyui"
    )
    assert "--allow-host" not in argv(plan(replace(BARE, hosts=("box.lan",), checkout=REAL)), "comfyui")


def test_the_lines_say_how_to_change_it() -> None:
    comfyui, endpoint = plan(BARE).lines

    assert "COMFYUI_DIR" in comfyui
    assert "RUNPOD_API_KEY" in endpoint
    assert "RUNPOD_ENDPOINT_ID" in endpoint


def test_what_is_there_is_not_started() -> None:
    made = plan(replace(BARE, comfyui_answers=True, endpoint_ids=("abc", "def")))

    assert made.commands == ()
    assert made.sandbox_endpoint_url is None
    assert made.lines == (
        "ComfyUI:  running at http://127.0.0.1:8188 (COMFYUI_URL)",
        "Endpoint: abc, def on RunPod (RUNPOD_ENDPOINT_ID)",
    )


@pytest.mark.parametrize(
    ("situation", "stands_in"),
    [
        (replace(BARE, endpoint_ids=("abc",)), True),
        (BARE, False),
        (replace(BARE, endpoint_ids=("abc",), comfyui_answers=True), False),
        (replace(BARE, endpoint_ids=("abc",), checkout=REAL), False),
    ],
)
def test_the_sandbox_stands_in_for_a_comfyui_before_an_endpoint_elsewhere(
    situation: Situation, stands_in: bool
) -> None:
    made = plan(situation)

    assert made.stand_in is stands_in
    assert ("the page alone" in made.lines[0]) is stands_in


def test_an_endpoint_elsewhere_is_said() -> None:
    made = plan(replace(BARE, endpoint_ids=("abc",), endpoint_base_url="http://127.0.0.1:9000/v2"))

    assert "at http://127.0.0.1:9000/v2" in made.lines[1]


def test_a_checkout_is_used_on_both_ends() -> None:
    made = plan(replace(BARE, checkout=REAL, comfyui_url="http://localhost:9188"))

    assert argv(made, "comfyui") == "/comfy/.venv/bin/python main.py --listen 127.0.0.1 --port 9188 --cpu"
    assert made.commands[0].cwd == Path("/comfy")
    assert "--comfyui-home /comfy --comfyui-python /comfy/.venv/bin/python --comfyui-args=--cpu" in argv(
        made, "endpoint"
    )


def test_a_gpu_is_used() -> None:
    made = plan(replace(BARE, checkout=REAL, gpu=True))

    assert all("--cpu" not in " ".join(command.argv) for command in made.commands)


@pytest.mark.parametrize(
    ("situation", "variable"),
    [
        (replace(BARE, comfyui_url="http://10.0.0.5:8188"), "COMFYUI_URL"),
        (replace(BARE, comfyui_url="https://127.0.0.1:8188"), "COMFYUI_URL"),
        (replace(BARE, checkout=Checkout(Path("/comfy"), None)), "COMFYUI_PYTHON"),
        (replace(BARE, checkout=Checkout(Path("/comfy"), None), comfyui_answers=True), "COMFYUI_PYTHON"),
    ],
)
def test_what_cannot_be_started_is_one_line_that_names_the_variable(situation: Situation, variable: str) -> None:
    with pytest.raises(CannotStart, match=f"^{variable}"):
        plan(situation)


def test_an_interpreter_that_nothing_needs_is_not_asked_for() -> None:
    without = replace(BARE, checkout=Checkout(Path("/comfy"), None), comfyui_answers=True, endpoint_ids=("abc",))

    assert plan(without).commands == ()
