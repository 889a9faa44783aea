"""The key to the sandbox endpoint that 'make proxy' starts: no other user's program can submit to it."""

import secrets
from pathlib import Path

from pydantic import SecretStr

from engine.runpod.sandbox import SANDBOX_ID
from storage.atomic import atomic
from storage.private import private_file, private_folder

_ANY_KEY = SANDBOX_ID
"""for 'make endpoint', which accepts any"""


def new_sandbox_key(home: Path) -> str:
    """The key of an endpoint that is about to start; kept below *home*, where only this user's commands find it."""
    key = secrets.token_urlsafe()
    path = _key_file(home)
    private_folder(path.parent)
    with atomic(path) as part:
        private_file(part).write_text(key, encoding="ascii")
    return key


def sandbox_key(home: Path) -> SecretStr:
    """The key of the endpoint that was started last for *home*."""
    try:
        return SecretStr(_key_file(home).read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError):
        return SecretStr(_ANY_KEY)


def _key_file(home: Path) -> Path:
    return home / "sandbox" / "endpoint.key"
