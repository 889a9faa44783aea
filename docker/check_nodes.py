"""Starts ComfyUI once without a GPU and ends with an error when a node did not import. Run in the image's build."""

import re
import subprocess
import sys

_FAILED = re.compile(r"IMPORT FAILED|did not import correctly", re.IGNORECASE)
_TIMEOUT_S = 600


def main(main_py: str) -> None:
    command = [sys.executable, main_py, "--cpu", "--quick-test-for-ci", "--disable-auto-launch"]
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_TIMEOUT_S, check=False
    )
    failed = [line for line in ran.stdout.splitlines() if _FAILED.search(line)]
    if ran.returncode != 0 or failed:
        print(ran.stdout)
        sys.exit("\n".join(["ComfyUI does not start in this image as it should:", *failed]))
    print("every node imports")


if __name__ == "__main__":
    main(sys.argv[1])
