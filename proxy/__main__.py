"""``python -m proxy``."""

from proxy.cli import main

main(prog_name="python -m proxy")
