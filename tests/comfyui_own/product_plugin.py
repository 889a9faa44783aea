"""A pytest plugin for ComfyUI's own tests, loaded in ComfyUI's interpreter: where they start ``python main.py``, both
ends of the product start instead, with the same arguments for each ComfyUI.

It imports nothing of the project, whose packages that interpreter does not have. COMFY_RUNPOD_PYTHON is the
interpreter that does, COMFY_RUNPOD_PROJECT its folder.
"""

import os
import subprocess
from typing import Any

_STOP_S = 60
_READY = b"ready\n"
_Process = subprocess.Popen


class Served(_Process):  # type: ignore[type-arg]
    """A process; for ComfyUI's command both ends, which are ready when the constructor returns."""

    def __init__(self, command: Any, *arguments: Any, **options: Any) -> None:
        self._is_product = isinstance(command, list) and command[1:2] == ["main.py"]
        if not self._is_product:
            super().__init__(command, *arguments, **options)
            return
        product = [os.environ["COMFY_RUNPOD_PYTHON"], "-m", "tests.comfyui_own.both_ends", *map(str, command[2:])]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        super().__init__(product, cwd=os.environ["COMFY_RUNPOD_PROJECT"], stdout=subprocess.PIPE, env=environment)
        assert self.stdout is not None
        if self.stdout.readline() != _READY:  # both_ends gives up by itself
            raise RuntimeError("the product did not start; its log is above")

    def kill(self) -> None:
        """The product ends what it has started; the next test uses its port again."""
        if not self._is_product:
            super().kill()
        elif self.poll() is None:
            self.terminate()
            self.wait(_STOP_S)


def pytest_configure() -> None:
    subprocess.Popen = Served  # type: ignore[misc, assignment]
