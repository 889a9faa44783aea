"""What the sandbox endpoint tells its workers of their ComfyUI."""

import sys
from pathlib import Path

from sandbox.endpoint.__main__ import worker_environ
from sandbox.endpoint.workers import PROJECT


def test_arguments_of_the_environment_come_before_those_of_the_option() -> None:
    environ = worker_environ(None, None, ("--extra-model-paths-config '/a b.yaml'", "--cpu"))

    assert environ["COMFYUI_ARGS"] == "--extra-model-paths-config '/a b.yaml' --cpu"


def test_no_arguments_are_an_empty_value() -> None:
    assert worker_environ(None, None, ("", ""))["COMFYUI_ARGS"] == ""


def test_without_a_home_it_is_the_sandbox_s_comfyui_run_by_our_interpreter() -> None:
    environ = worker_environ(None, None, ())

    assert environ["COMFYUI_HOME"] == str(PROJECT / "sandbox" / "comfyui")
    assert environ["COMFYUI_PYTHON"] == sys.executable


def test_a_checkout_without_a_named_interpreter_is_left_to_the_worker() -> None:
    assert "COMFYUI_PYTHON" not in worker_environ(Path("/comfy"), None, ())
    assert worker_environ(Path("/comfy"), Path("/python"), ())["COMFYUI_PYTHON"] == "/python"
