"""COMFY_RUNPOD_HOME: the folder of the job database, of what is on its way, and of the logs. Nobody else enters it."""

from pathlib import Path

from engine.errors import CannotStart
from storage.private import narrow, private_folder


def private_home(home: Path) -> str | None:
    """Make *home*, or narrow it: earlier versions made it for everybody to read. Before anything is written into it.

    A sentence for the person when others can still look into it. Raises CannotStart when it cannot be made.
    """
    try:
        if narrow(private_folder(home)):
            return None
    except OSError as error:
        raise CannotStart(f"COMFY_RUNPOD_HOME: {home} cannot be used: {error.strerror or error}") from error
    return (
        f"COMFY_RUNPOD_HOME={home}: other users of this machine can look into this folder, which holds prompts and "
        "results; choose a folder of your own"
    )
