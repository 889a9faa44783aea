"""Becomes the program named on the command line, and dies with the process that started it (Linux).

Run as ``python die_with_parent.py PARENT_PID PROGRAM ARGUMENT…``. A worker that is killed outright has no chance to
stop ComfyUI, which would keep the GPU and the port.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != int(parent):
            sys.exit("the worker is gone")
    os.execv(command[0], command)  # noqa: S606  the command is the worker's own


if __name__ == "__main__":
    main()
