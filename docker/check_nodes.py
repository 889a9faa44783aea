"""Starts ComfyUI once without a GPU, and ends with an error when a node did not import. Run in the image's build.

What ComfyUI says of its nodes and models is recorded: ``python -m worker.catalog`` makes the image's catalog of it.
"""

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

_FAILED = re.compile(r"IMPORT FAILED|did not import correctly", re.IGNORECASE)
_TIMEOUT_S = 600
_STOP_S = 20


def main(main_py: str, recorded: str) -> None:
    port = _free_port()
    where = ["--listen", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, main_py, "--cpu", "--disable-auto-launch", *where]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}  # as in the worker: choices made of a set have one order
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        comfyui = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environ)
        try:
            answers = _answers(comfyui, f"http://127.0.0.1:{port}")
        finally:
            _end(comfyui)
        log.seek(0)
        output = log.read()
    failed = [line for line in output.splitlines() if _FAILED.search(line)]
    if answers is None or failed:
        print(output)
        sys.exit("\n".join(["ComfyUI does not start in this image as it should:", *failed]))
    with gzip.open(recorded, "wt", encoding="utf-8") as file:
        json.dump(answers, file)
    print("every node imports")


def _answers(comfyui: subprocess.Popen[bytes], url: str) -> dict[str, str] | None:
    """The answers by their paths (see worker/catalog/answers.py); None when ComfyUI does not come up."""
    until = time.monotonic() + _TIMEOUT_S
    while comfyui.poll() is None and time.monotonic() < until:
        try:
            found = {"/system_stats": _get(url, "/system_stats")}
        except OSError:
            time.sleep(0.2)
            continue
        kinds = json.loads(_get(url, "/models"))
        lists = [f"/models/{urllib.parse.quote(kind, safe='')}" for kind in kinds if kind != "custom_nodes"]
        paths = ("/models", "/internal/folder_paths", *lists, "/object_info")
        return found | {path: _get(url, path) for path in paths}
    return None


def _get(url: str, path: str) -> str:
    with urllib.request.urlopen(url + path, timeout=_TIMEOUT_S) as answer:
        return str(answer.read().decode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(comfyui: subprocess.Popen[bytes]) -> None:
    comfyui.terminate()
    try:
        comfyui.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        comfyui.kill()
        comfyui.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
