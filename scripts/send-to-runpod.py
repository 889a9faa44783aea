#!/usr/bin/env python3
"""Run a workflow on RunPod and save what it makes; see --help."""

import _project  # noqa: F401

from client.send.cli import main

main(prog_name="send-to-runpod.py")
