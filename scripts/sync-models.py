#!/usr/bin/env python3
"""Models to the network volume; see --help."""

import sys

import _project  # noqa: F401

from client.sync.cli import main

main(sys.argv[1:])
