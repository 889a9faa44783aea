#!/usr/bin/env python3
"""Start the local ComfyUI and the proxy together, and open the page; see --help."""

import _project  # noqa: F401

from proxy.launch import main

main(prog_name="launch_comfy_with_api.py")
