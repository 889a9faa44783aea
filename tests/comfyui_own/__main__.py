"""ComfyUI's own tests, against the proxy: ``python -m tests.comfyui_own``; tests/README.md says how."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.comfyui_own.verdict import Verdict, judged, known_failures, outcomes
from tests.support.ports import free_port

PROJECT = Path(__file__).resolve().parents[2]
KNOWN = Path(__file__).parent / "known-failures.txt"
SUITES = ("test_execution", "test_async_nodes", "test_progress_isolation", "test_public_api")
_THROUGH_THE_PROXY = ("-p", "product_plugin", "--skip-timing-checks")
"""a job takes a second of its own, with the sandbox endpoint as at RunPod; that is an option of ComfyUI's tests"""
_RUN_S = 3600


def run(checkout: Path, python: Path, *, direct: bool, arguments: list[str]) -> str:
    """The JUnit report of ComfyUI's tests in *checkout*; *direct*: they start their ComfyUI themselves."""
    with tempfile.TemporaryDirectory(prefix="comfyui-own-") as folder:
        report = Path(folder, "report.xml")
        command = [
            *(str(python), "-m", "pytest", "-p", "no:cacheprovider", "-q", f"--junitxml={report}"),
            *("--port", str(free_port()), "--output_dir", str(Path(folder, "output"))),
            *([] if direct else _THROUGH_THE_PROXY),
            *(f"tests/execution/{suite}.py" for suite in SUITES),
            *arguments,
        ]
        subprocess.run(command, cwd=checkout, env=_environment(checkout, python), check=False, timeout=_RUN_S)
        return report.read_text(encoding="utf-8")


def _environment(checkout: Path, python: Path) -> dict[str, str]:
    """The tests start ``python``. The plugin is found by its folder: ``tests`` is ComfyUI's own package there."""
    return {
        **os.environ,
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(Path(__file__).parent),
        "COMFY_RUNPOD_PYTHON": sys.executable,
        "COMFY_RUNPOD_PROJECT": str(PROJECT),
        "COMFYUI_DIR": str(checkout),
        "COMFYUI_PYTHON": str(python),
    }


def show(verdict: Verdict) -> None:
    print(f"\n{verdict.passed} passed, {len(verdict.known)} failed for a known reason")
    for name, reason in verdict.known.items():
        print(f"  known: {name}: {reason}")
    for name in verdict.unexpected:
        print(f"  FAILED: {name}")
    for name in verdict.mended:
        print(f"  PASSED OR GONE, take it out of {KNOWN.name}: {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run ComfyUI's own tests against the proxy.")
    parser.add_argument("--direct", action="store_true", help="against that ComfyUI itself, for comparison")
    chosen, arguments = parser.parse_known_args()
    if not os.environ.get("COMFYUI_DIR") or not os.environ.get("COMFYUI_PYTHON"):
        parser.error("set COMFYUI_DIR and COMFYUI_PYTHON to a ComfyUI with its tests and an interpreter with pytest")
    checkout, python = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])
    report = run(checkout, python, direct=chosen.direct, arguments=arguments)
    known = {} if chosen.direct else known_failures(KNOWN.read_text(encoding="utf-8"))
    verdict = judged(outcomes(report), known)
    show(verdict)
    return 0 if verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
