"""Imported first by each script: has it run by the project's interpreter, from any folder."""

import os
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))  # noqa: PTH120  any Python must get as far as this
VENV = os.path.join(PROJECT, ".venv")  # noqa: PTH118
PYTHON = os.path.join(VENV, "Scripts", "python.exe") if os.name == "nt" else os.path.join(VENV, "bin", "python")  # noqa: PTH118

if not os.path.exists(PYTHON):  # noqa: PTH110
    sys.exit("not set up yet: run 'make setup' in " + PROJECT)
if os.path.realpath(sys.prefix) != os.path.realpath(VENV):
    os.execv(PYTHON, [PYTHON, *sys.argv])
sys.path.insert(0, PROJECT)
