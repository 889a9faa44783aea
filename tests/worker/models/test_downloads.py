"""Models that are fetched: from real servers, into real folders."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.worker.models.conftest import CONTENT, SHA256, Host
from wire.models import ModelRef
from worker.models.downloads import Downloads, ModelUnavailable
from worker.models.part_file import PartFile, Piece
from worker.models.sources import ModelSources

PIECE = 100_000


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
    was_missing = await downloads(tmp_path).ensure([model(host)], silent)
    host.asked.clear()

    is_missing = await downloads(tmp_path).ensure([model(host, size=len(CONTENT))], silent)

    assert host.asked == []
    assert (was_missing, is_missing) == (True, False)


async def test_a_cancelled_download_leaves_no_thread_behind(
    tmp_path: Path, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()
    note = PartFile.note

    def slow_note(self: PartFile, piece: Piece) -> None:
        began.set()
        may_end.wait(10)
        note(self, piece)
        ended.set()

    monkeypatch.setattr(PartFile, "note", slow_note)
    running = asyncio.create_task(downloads(tmp_path).ensure([model(host)], silent))
    await asyncio.to_thread(began.wait, 10)
    running.cancel()
    asyncio.get_running_loop().call_later(0.2, may_end.set)
    await asyncio.gather(running, return_exceptions=True)

    assert ended.is_set()


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
    async with asyncio.timeout(60):
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
        ("file:///etc/passwd.bin", "is not a source of models"),
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
