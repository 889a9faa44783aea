"""ComfyLaunch: how ComfyUI is started. Imports little: ComfyUI is on its way while the rest is still loading."""

import os
import shlex

from worker.comfyui.process import ComfyProcess, free_port
from worker.folders import Folders
from worker.models.paths import write_model_paths
from worker.settings import WorkerSettings, environment_for_comfyui


class ComfyLaunch:
    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._port = settings.comfyui_port or free_port()
        self._user = settings.comfyui_user if os.geteuid() == 0 else None
        self.url = f"http://127.0.0.1:{self._port}"
        self.folders = Folders(settings.data_dir.resolve())
        self.process = ComfyProcess(settings.comfyui_home, environment_for_comfyui(self._user), self._user)

    def start(self) -> None:
        """Starts ComfyUI and returns at once. A worker without one still takes jobs: they say what is wrong."""
        extra = list[str]()
        if self._settings.comfyui_home.is_dir():
            self.folders.create(self._user)
            models = write_model_paths(
                self._settings.models_dir, self.folders.user / "model_paths.yaml", self._settings.comfyui_home
            )
            extra = ["--extra-model-paths-config", str(models)]
        self.process.start([*self._command(), *extra, *shlex.split(self._settings.comfyui_args)])

    def _command(self) -> list[str]:
        """Options that ComfyUI knows since 0.3.64; its database would lie in the checkout otherwise."""
        folders = self.folders
        options = {
            "--listen": "127.0.0.1",
            "--port": str(self._port),
            "--input-directory": str(folders.root("input")),
            "--output-directory": str(folders.root("output")),
            "--temp-directory": str(folders.data),  # ComfyUI adds the last part, "temp"
            "--user-directory": str(folders.user),
            "--database-url": f"sqlite:///{folders.user / 'comfyui.db'}",
        }
        start = [str(self._settings.python), "-u", "main.py", "--disable-auto-launch"]
        return [*start, *self._newer_options(), *(word for option in options.items() for word in option)]

    def _newer_options(self) -> list[str]:
        """Options that only newer ComfyUIs know. With assets on, ComfyUI scans the whole volume when it starts."""
        arguments = self._settings.comfyui_home / "comfy" / "cli_args.py"
        known = arguments.read_text(encoding="utf-8", errors="replace") if arguments.is_file() else ""
        return [option for option in ("--disable-assets",) if f'"{option}"' in known]
