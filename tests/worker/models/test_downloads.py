"""Models that are fetched: from real servers, into real folders."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from wire.errors import WireError
from wire.models import ModelRef, decode_models
from worker.models.download_lock import DownloadLock
from worker.models.downloads import Downloads, ModelUnavailable
from worker.models.manifest import S3Source, Web, address, place, read_manifest
from worker.models.sources import ModelSources, is_public

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PIECE = 100_000


class Host:
    """A web server with one file, and the faults that servers have."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.ranges = True
        self.token: str | None = None
        self.break_after: int | None = None
        self.refuse_once = 0
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.url = ""

    async def file(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise web.HTTPUnauthorized
        if self.refuse_once:
            self.refuse_once -= 1
            raise web.HTTPServiceUnavailable
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._send(request, wanted)
        finally:
            self.at_once -= 1

    async def _send(self, request: web.Request, wanted: str) -> web.StreamResponse:
        etag = {"ETag": f'"{hashlib.md5(self.content).hexdigest()}"'}
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        start, end = 0, len(self.content)
        response = web.StreamResponse(headers=etag)
        if match and self.ranges:
            start, end = int(match[1]), int(match[2] or len(self.content) - 1) + 1
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(self.content)}"
        response.content_length = end - start
        await response.prepare(request)
        await asyncio.sleep(0)
        part = self.content[start:end]
        if self.break_after is not None and len(part) > 1:
            await response.write(part[: self.break_after])
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(part)
        return response

    async def elsewhere(self, _: web.Request) -> web.StreamResponse:
        raise web.HTTPFound(f"{self.url}/model.safetensors")


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    host = Host()
    app = web.Application()
    app.router.add_get("/model.safetensors", host.file)
    app.router.add_get("/moved", host.elsewhere)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield host
    await runner.cleanup()


def downloads(root: Path, tokens: dict[str, str] | None = None, *, allow_private: bool = True) -> Downloads:
    sources = ModelSources(None, tokens or {}, allow_private=allow_private)
    return Downloads(root, sources, piece_size=PIECE, retry_s=0.001)


def model(host: Host, **more: Any) -> ModelRef:
    return ModelRef(source=f"{host.url}/model.safetensors", folder="loras", **more)


async def silent(_: str) -> None:
    return


async def test_a_model_is_fetched_in_parallel_pieces_and_checked(tmp_path: Path, host: Host) -> None:
    said = list[str]()

    async def tell(line: str) -> None:
        said.append(line)

    await downloads(tmp_path).ensure([model(host, size=len(CONTENT), sha256=SHA256.upper())], tell)

    assert (tmp_path / "loras" / "model.safetensors").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "loras").iterdir()] == ["model.safetensors"]
    assert len(host.asked) == 1 + -(-len(CONTENT) // PIECE)
    assert host.most_at_once > 1
    assert said[0] == "Fetching model model.safetensors: 0 %"


async def test_a_model_that_is_there_is_not_asked_for(tmp_path: Path, host: Host) -> None:
    await downloads(tmp_path).ensure([model(host)], silent)
    host.asked.clear()

    await downloads(tmp_path).ensure([model(host, size=len(CONTENT))], silent)

    assert host.asked == []


async def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path, host: Host) -> None:
    host.break_after = 10
    with pytest.raises(ModelUnavailable):
        await downloads(tmp_path).ensure([model(host)], silent)
    host.break_after = None
    part = tmp_path / "loras" / ".model.safetensors.part"
    assert part.exists()
    first = downloads(tmp_path)
    ended = asyncio.create_task(first.ensure([model(host)], silent))
    note = tmp_path / "loras" / ".model.safetensors.part.json"
    async with asyncio.timeout(10):
        while not note.exists() and not ended.done():
            await asyncio.sleep(0)
    ended.cancel()
    await asyncio.gather(ended, return_exceptions=True)
    resumed = note.exists()
    host.asked.clear()

    await downloads(tmp_path).ensure([model(host, sha256=SHA256)], silent)

    assert (tmp_path / "loras" / "model.safetensors").read_bytes() == CONTENT
    assert not resumed or len(host.asked) < 1 + -(-len(CONTENT) // PIECE)


async def test_a_file_that_changed_meanwhile_is_begun_anew(tmp_path: Path, host: Host) -> None:
    host.break_after = 10
    with pytest.raises(ModelUnavailable):
        await downloads(tmp_path).ensure([model(host)], silent)
    host.break_after, host.content = None, CONTENT[::-1]

    await downloads(tmp_path).ensure([model(host)], silent)

    assert (tmp_path / "loras" / "model.safetensors").read_bytes() == CONTENT[::-1]


async def test_a_server_without_ranges_is_read_in_one_piece(tmp_path: Path, host: Host) -> None:
    host.ranges = False

    await downloads(tmp_path).ensure([model(host, sha256=SHA256)], silent)

    assert (tmp_path / "loras" / "model.safetensors").read_bytes() == CONTENT


async def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, host: Host) -> None:
    host.refuse_once = 3

    await downloads(tmp_path).ensure([model(host, sha256=SHA256)], silent)

    assert (tmp_path / "loras" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("wrong", "said"), [({"size": 5}, "the manifest says 5"), ({"sha256": "0" * 64}, "its SHA-256 is")]
)
async def test_what_is_not_what_the_manifest_says_gets_no_name(
    tmp_path: Path, host: Host, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelUnavailable, match=said):
        await downloads(tmp_path).ensure([model(host, **wrong)], silent)

    assert list((tmp_path / "loras").iterdir()) == []


async def test_two_workers_with_one_volume_fetch_once(tmp_path: Path, host: Host) -> None:
    one, other = downloads(tmp_path), downloads(tmp_path)

    await asyncio.gather(one.ensure([model(host)], silent), other.ensure([model(host)], silent))

    assert len(host.asked) == 1 + -(-len(CONTENT) // PIECE)


async def test_the_lock_of_a_worker_that_is_gone_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("somebody who is gone")
    taken = asyncio.Event()

    async with asyncio.timeout(10), DownloadLock(tmp_path / "lock", touch_s=0.02, stale_s=0.1).held():
        taken.set()

    assert taken.is_set()
    assert not (tmp_path / "lock").exists()


async def test_a_lock_that_is_held_is_waited_for(tmp_path: Path) -> None:
    first, second = (DownloadLock(tmp_path / "lock", touch_s=0.02, stale_s=0.2) for _ in range(2))
    order = list[str]()

    async def later() -> None:
        async with second.held():
            order.append("second")

    async with first.held():
        waiting = asyncio.create_task(later())
        await asyncio.sleep(0.6)  # longer than a lock stays that nobody touches
        order.append("first")
    await waiting

    assert order == ["first", "second"]


async def test_a_gated_model_needs_its_token_which_goes_nowhere_else(tmp_path: Path, host: Host) -> None:
    host.token = "hf_secret"
    with pytest.raises(ModelUnavailable, match=r"refuses \(401\)"):
        await downloads(tmp_path, {"hf": "hf_secret"}).ensure([model(host)], silent)

    assert not (tmp_path / "loras" / "model.safetensors").exists()


async def test_a_redirect_is_followed(tmp_path: Path, host: Host) -> None:
    moved = ModelRef(source=f"{host.url}/moved", folder="vae", filename="sub/it.safetensors", sha256=SHA256)

    await downloads(tmp_path).ensure([moved], silent)

    assert (tmp_path / "vae" / "sub" / "it.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("http://example.com/a.safetensors", "not https"),
        ("https://127.0.0.1:1/a.safetensors", "private address"),
        ("https://[::ffff:169.254.169.254]/a.safetensors", "private address"),
        ("https://localhost:1/a.safetensors", "private address"),
        ("file:///etc/passwd.bin", "no source of a model"),
    ],
)
async def test_only_public_https_is_asked(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(ModelUnavailable, match=said):
        await downloads(tmp_path, allow_private=False).ensure([ModelRef(source=source, folder="loras")], silent)


@pytest.mark.parametrize("wanted", ["../../etc/passwd.bin", "/etc/passwd.bin", "..", "a/../../b.bin"])
async def test_a_name_stays_in_the_folder_of_models(tmp_path: Path, wanted: str) -> None:
    evil = ModelRef(source="https://example.com/a.bin", folder="loras", filename=wanted)

    with pytest.raises(ModelUnavailable):
        await downloads(tmp_path).ensure([evil], silent)

    assert list(tmp_path.iterdir()) == []


async def test_s3_without_a_bucket_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="BUCKET_ENDPOINT_URL"):
        await downloads(tmp_path).ensure([ModelRef(source="s3://models/a.bin", folder="loras")], silent)


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("https://example.com/a.bin", Web("https://example.com/a.bin")),
        ("hf://o/r/d/a b.bin", Web("https://huggingface.co/o/r/resolve/main/d/a%20b.bin", "hf")),
        ("hf://o/r@refs%2Fpr%2F1/a.bin", Web("https://huggingface.co/o/r/resolve/refs%2Fpr%2F1/a.bin", "hf")),
        ("hf://o/r@v1.0/a.bin", Web("https://huggingface.co/o/r/resolve/v1.0/a.bin", "hf")),
        ("https://huggingface.co/o/r/resolve/main/a.bin", Web("https://huggingface.co/o/r/resolve/main/a.bin", "hf")),
        ("https://huggingface.co.evil.example/a.bin", Web("https://huggingface.co.evil.example/a.bin")),
        ("civitai://12345", Web("https://civitai.com/api/download/models/12345", "civitai")),
        ("s3://bucket/deep/a.bin", S3Source("bucket", "deep/a.bin")),
    ],
)
def test_sources_are_spelled_like_this(source: str, where: object) -> None:
    assert address(source) == where


def test_a_manifest_is_yaml_or_json() -> None:
    yaml = "models:\n  - source: hf://o/r/a.safetensors\n    folder: loras\n"
    json = '[{"source": "hf://o/r/a.safetensors", "folder": "loras"}]'

    assert read_manifest(yaml) == read_manifest(json) == (ModelRef(source="hf://o/r/a.safetensors", folder="loras"),)
    assert place(read_manifest(json)[0]) == ("loras", "a.safetensors")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"models": {}}, "a list"),
        ([{"folder": "loras"}], "model 1 of the manifest: source"),
        (
            [{"source": "hf://a/b/c.bin", "folder": "vae"}, {"source": "x", "folder": "y", "token": "z"}],
            "model 2.*token",
        ),
    ],
)
def test_a_wrong_manifest_names_the_entry(wrong: object, said: str) -> None:
    with pytest.raises(WireError, match=said):
        decode_models(wrong)


def test_a_model_without_a_telling_address_needs_a_name() -> None:
    with pytest.raises(WireError, match="filename"):
        place(ModelRef(source="civitai://12345", folder="loras"))


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "127.0.0.1", "::1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[fd00::1]"]
)
def test_addresses_that_are_not_for_everybody(host: str) -> None:
    assert not is_public(host)
    assert is_public("93.184.216.34")
