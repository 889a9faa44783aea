#!/usr/bin/env python3
"""Say what is wrong with this set-up, and how to mend it; see --help."""

import _project  # noqa: F401

from client.doctor.cli import main

main(prog_name="doctor.py")
