"""Started like ComfyUI's own main.py, from this folder, with the same arguments."""

import sys
from pathlib import Path

# this folder's modules are the package's, not top-level ones
sys.path[0] = str(Path(__file__).resolve().parents[2])

from sandbox.comfyui.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
