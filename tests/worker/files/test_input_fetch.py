"""An input file from an address that the request names."""

import hashlib
from pathlib import Path

import pytest

from tests.worker.models.conftest import CONTENT, Host, host
from worker.files.input_fetch import InputFetch
from worker.models.sources import SourceFailed

__all__ = ["host"]  # a fixture


def empty(folder: Path) -> Path:
    path = folder / "part"
    path.touch()
    return path


def fetch(own_bucket: str | None = None, *, allow_private: bool = True) -> InputFetch:
    return InputFetch(own_bucket, allow_private=allow_private, retry_s=0.001)


async def test_the_bytes_of_an_address_are_written(tmp_path: Path, host: Host) -> None:
    path = empty(tmp_path)

    await fetch().fetch(f"{host.url}/model.safetensors", path, len(CONTENT))

    assert path.read_bytes() == CONTENT


async def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path, host: Host) -> None:
    path = empty(tmp_path)
    path.write_bytes(CONTENT[:1000])

    await fetch().fetch(f"{host.url}/model.safetensors", path, len(CONTENT))

    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    assert host.asked[-1] == "bytes=1000-"


async def test_a_connection_that_broke_after_the_last_byte_is_not_asked_for_more(tmp_path: Path, host: Host) -> None:
    path = empty(tmp_path)
    path.write_bytes(CONTENT)

    await fetch().fetch(f"{host.url}/model.safetensors", path, len(CONTENT))

    assert path.read_bytes() == CONTENT


async def test_a_server_without_parts_sends_everything_again(tmp_path: Path, host: Host) -> None:
    host.ranges = False
    path = empty(tmp_path)
    path.write_bytes(b"x" * 1000)

    await fetch().fetch(f"{host.url}/model.safetensors", path, len(CONTENT))

    assert path.read_bytes() == CONTENT


async def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, host: Host) -> None:
    host.refuse_once = 3
    path = empty(tmp_path)

    await fetch().fetch(f"{host.url}/model.safetensors", path, len(CONTENT))

    assert path.read_bytes() == CONTENT


async def test_a_server_that_stays_busy_fails_the_input(tmp_path: Path, host: Host) -> None:
    host.refuse_once = 1000

    with pytest.raises(SourceFailed, match="503"):
        await fetch().fetch(f"{host.url}/model.safetensors", empty(tmp_path), len(CONTENT))

    assert len(host.asked) == 5


async def test_an_address_with_another_size_is_asked_once(tmp_path: Path, host: Host) -> None:
    with pytest.raises(SourceFailed, match=f"{len(CONTENT)} bytes instead of 3"):
        await fetch().fetch(f"{host.url}/model.safetensors", empty(tmp_path), 3)

    assert len(host.asked) == 1


async def test_only_the_own_bucket_may_be_on_a_private_address(tmp_path: Path, host: Host) -> None:
    with pytest.raises(SourceFailed, match="not https"):
        await fetch("http://127.0.0.1:1", allow_private=False).fetch(f"{host.url}/x", empty(tmp_path), 3)
    path = empty(tmp_path)

    await fetch(f"{host.url}/", allow_private=False).fetch(f"{host.url}/model.safetensors", path, len(CONTENT))

    assert path.read_bytes() == CONTENT
    assert len(host.asked) == 2


async def test_an_address_that_only_begins_like_the_own_bucket_is_not_it(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="not https"):
        await fetch("http://bucket.local", allow_private=False).fetch("http://bucket.local.evil/x", empty(tmp_path), 3)
