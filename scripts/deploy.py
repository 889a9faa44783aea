#!/usr/bin/env python3
"""Create or update RunPod's template and endpoint; see --help."""

import os

import _project
from dotenv import load_dotenv

from client.deploy import main

load_dotenv(os.path.join(_project.PROJECT, ".env"))  # noqa: PTH118
main(prog_name="deploy.py", obj=os.environ)
