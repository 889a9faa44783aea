"""``runpodctl send``, with a stand-in for the program."""

import asyncio
import os
from pathlib import Path

import pytest

from client.sync.runpodctl import RunpodctlMissing, TransferFailed, require_runpodctl, send
from tests.support.stack import PROJECT

PROGRAM = PROJECT / "tests" / "support" / "runpodctl"
CODE = "8338-galileo-collect-fidel-3"


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file to send, and a relay for it."""
    (tmp_path / "relay").mkdir()
    monkeypatch.setenv("RELAY", str(tmp_path / "relay"))
    (tmp_path / "models.zip").write_bytes(b"zip")
    return tmp_path / "models.zip"


@pytest.mark.parametrize("style", ["1", "2"])
async def test_the_code_is_told_once_and_the_end_is_the_receivers(
    archive: Path, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    monkeypatch.setenv("STYLE", style)
    codes = asyncio.Queue[str]()
    sending = asyncio.create_task(send(str(PROGRAM), archive, codes.put_nowait))
    async with asyncio.timeout(60):
        code = await codes.get()
        waited = not sending.done()
        (archive.parent / "relay" / "received").touch()
        await sending

    assert (code, waited) == (CODE, True)
    assert codes.empty()
    assert (archive.parent / "relay" / "models.zip").read_bytes() == b"zip"


async def test_a_success_without_a_code_is_a_failure(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLE", "broken")

    with pytest.raises(TransferFailed, match=r"status 0.*could not get list of relays"):
        await send(str(PROGRAM), archive, lambda _: None)


async def test_who_is_cancelled_ends_the_program(archive: Path, tmp_path: Path) -> None:
    started = asyncio.Event()
    pid = tmp_path / "pid"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec {PROGRAM} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    sending = asyncio.create_task(send(str(program), archive, lambda _: started.set()))
    async with asyncio.timeout(60):
        await started.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text(encoding="utf-8")), 0)


def test_a_program_that_is_not_installed_is_named_with_its_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunpodctlMissing, match="https://"):
        require_runpodctl()
    (tmp_path / "runpodctl").symlink_to(PROGRAM)

    assert require_runpodctl() == str(tmp_path / "runpodctl")
