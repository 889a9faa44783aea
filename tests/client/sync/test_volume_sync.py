"""scripts/sync-models.py against a real S3 server: what changed, killed and taken up again, damaged and found."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from client.sync.journal import SyncJournal, UploadEntry
from client.sync.layout import MANIFEST_ON_VOLUME
from client.sync.parts import MIB
from storage.objects import S3Location
from storage.s3 import Bucket
from tests.support.quirky_s3 import Quirks, quirky
from tests.support.s3 import ACCESS, SECRET
from tests.support.scripts import Finished, environment, finished, run_script, started
from tests.support.until import until
from wire.model_kinds import MODELS_ON_VOLUME

SCRIPT = "sync-models.py"


@dataclass
class Bed:
    place: S3Location
    models: Path
    home: Path
    folder: Path

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.place)

    @property
    def environ(self) -> dict[str, str]:
        return environment(
            RUNPOD_S3_ENDPOINT_URL=self.place.url,
            RUNPOD_S3_ACCESS_KEY=ACCESS,
            RUNPOD_S3_SECRET_KEY=SECRET,
            COMFY_RUNPOD_HOME=str(self.home),
        )

    def write(self, name: str, content: bytes) -> Path:
        path = self.models / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def sync(self, *more: str) -> Finished:
        return await self.run(str(self.models), self.place.name, *more)

    async def run(self, *arguments: str, **variables: str) -> Finished:
        done = await run_script(SCRIPT, *arguments, environ=self.environ | variables, cwd=self.folder, timeout_s=120)
        assert SECRET not in done.out + done.err
        assert "Traceback" not in done.err, done.err
        return done

    def stored(self) -> dict[str, int]:
        return {key.removeprefix(f"{MODELS_ON_VOLUME}/"): size for key, size in self.bucket.sizes("comfyui/m").items()}


@pytest.fixture
def bed(volume: S3Location, tmp_path: Path) -> Iterator[Bed]:
    yield Bed(volume, tmp_path / "models", tmp_path / "home", tmp_path)
    for key in Bucket(volume).sizes(""):
        Bucket(volume).delete(key)


async def test_only_what_changed_is_sent(bed: Bed) -> None:
    bed.write("checkpoints/a.safetensors", b"a" * 100)
    bed.write("loras/sub/b #1.safetensors", b"b")
    first = await bed.sync()
    bed.write("loras/sub/b #1.safetensors", b"c")
    (bed.models / "checkpoints" / "a.safetensors").touch()
    second = await bed.sync()

    assert (first.status, second.status) == (0, 0), first.err + second.err
    assert "2 to send" in first.err
    assert "1 to send" in second.err
    assert bed.stored() | {MANIFEST_ON_VOLUME: 0} == {
        "checkpoints/a.safetensors": 100, "loras/sub/b #1.safetensors": 1, MANIFEST_ON_VOLUME: 0
    }  # fmt: skip
    assert b"".join(bed.bucket.read(f"{MODELS_ON_VOLUME}/loras/sub/b #1.safetensors")) == b"c"


async def test_a_dry_run_sends_nothing(bed: Bed) -> None:
    bed.write("vae/a.pt", b"a")
    done = await bed.sync("--dry-run")

    assert done.status == 0
    assert "would send  vae/a.pt" in done.err
    assert bed.stored() == {}


async def test_no_model_is_lost_to_a_file_of_its_name(bed: Bed) -> None:
    bed.write("vae/ours.pt", b"o" * 100)
    await bed.sync()
    theirs = {
        "loras/theirs.pt": b"t" * 20,
        "loras/same.pt": b"s" * 20,
        "checkpoints/five.safetensors": b"5" * 5_000_000,
    }
    for name, content in theirs.items():
        bed.bucket.put(f"{MODELS_ON_VOLUME}/{name}", content)
    for name, size in {"vae/ours.pt": 50, "checkpoints/five.safetensors": 0, "vae/empty.pt": 0}.items():
        bed.write(name, b"n" * size)
    for name, size in {"loras/theirs.pt": 30, "loras/same.pt": 20, "loras/new.pt": 10}.items():
        bed.write(name, b"n" * size)
    dry, done = await bed.sync("--dry-run"), await bed.sync()
    kept = bed.stored()
    forced = await bed.sync("--overwrite")

    for said in (dry.err, done.err):
        assert "1 to send" in said
        assert "left alone  checkpoints/five.safetensors: it is empty here" in said
        assert "left alone  vae/empty.pt: it is empty here" in said
        assert "left alone  vae/ours.pt: the file there is larger: 100 bytes, and 50 here" in said
        assert "left alone  loras/theirs.pt: there is a file of 20 bytes which this command did not send" in said
        assert "left alone  loras/same.pt: there is a file of this size which this command did not send" in said
    assert (dry.status, done.status, forced.status) == (0, 1, 0), done.err + forced.err
    assert {name: kept[name] for name in theirs} == {name: len(content) for name, content in theirs.items()}
    assert (kept["vae/ours.pt"], kept["loras/new.pt"], "vae/empty.pt" in kept) == (100, 10, False)
    assert bed.stored() | {MANIFEST_ON_VOLUME: 0} == {
        "vae/ours.pt": 50, "checkpoints/five.safetensors": 0, "vae/empty.pt": 0,
        "loras/theirs.pt": 30, "loras/same.pt": 20, "loras/new.pt": 10, MANIFEST_ON_VOLUME: 0,
    }  # fmt: skip


async def test_a_volume_that_has_what_is_here_is_a_success(bed: Bed) -> None:
    bed.bucket.put(f"{MODELS_ON_VOLUME}/loras/same.pt", b"s" * 20)
    bed.write("loras/same.pt", b"n" * 20)
    bed.write("vae/empty.pt", b"")
    done = await bed.sync()

    assert done.status == 0, done.err


async def test_a_file_that_was_sent_but_not_yet_noted_is_sent_again(bed: Bed) -> None:
    bed.write("vae/a.pt", b"a" * 10)
    with quirky(bed.place) as (place, quirks):
        quirks.hide = "vae/a.pt"
        cut = await Bed(place, bed.models, bed.home, bed.folder).sync()
        quirks.hide = "\0"
        bed.bucket.put(f"{MODELS_ON_VOLUME}/vae/a.pt", b"a" * 5)  # what a cut upload has left
        again = await Bed(place, bed.models, bed.home, bed.folder).sync()

    assert (cut.status, again.status) == (1, 0), cut.err + again.err
    assert "sent  vae/a.pt" in again.err
    assert bed.stored()["vae/a.pt"] == 10


async def test_a_kill_in_the_middle_costs_only_the_parts_under_way(bed: Bed) -> None:
    content = os.urandom(60 * MIB)
    bed.write("checkpoints/big.safetensors", content)
    arguments = (bed.models, bed.place.name, "--part-size", "5", "--parallel", "1")
    async with started(SCRIPT, *arguments, environ=bed.environ, cwd=bed.folder) as process:

        async def four_parts_are_there() -> bool:
            entry = entry_of(bed)
            return process.returncode is not None or (entry is not None and len(entry.tags) >= 4)

        await until(four_parts_are_there, 60)
        process.kill()
        await process.wait()
    assert process.returncode == -signal.SIGKILL
    assert "checkpoints/big.safetensors" not in bed.stored()
    again = await bed.sync("--part-size", "5")

    assert again.status == 0, again.err
    assert "of it earlier" in again.err
    assert b"".join(bed.bucket.read(f"{MODELS_ON_VOLUME}/checkpoints/big.safetensors")) == content
    assert entry_of(bed) is None


def entry_of(bed: Bed) -> UploadEntry | None:
    journal = SyncJournal(bed.home / "sync" / "uploads", f"{bed.place.url} {bed.place.name}")
    return journal.find(f"{MODELS_ON_VOLUME}/checkpoints/big.safetensors")


async def test_an_upload_of_another_content_is_not_gone_on_with(bed: Bed) -> None:
    bed.write("checkpoints/big.safetensors", b"1" * (12 * MIB))
    key, journal = f"{MODELS_ON_VOLUME}/checkpoints/big.safetensors", bed.home / "sync" / "uploads"
    upload = bed.bucket.begin(key)
    tag = bed.bucket.put_part(key, upload, 1, b"0" * (5 * MIB))
    written = SyncJournal(journal, f"{bed.place.url} {bed.place.name}")
    (journal).mkdir(parents=True)
    written._path(key).write_text(
        json.dumps({"upload": upload, "size": 12 * MIB, "sha256": "0" * 64, "part_size": 5 * MIB, "tags": {"1": tag}})
    )
    done = await bed.sync("--part-size", "5")

    assert done.status == 0, done.err
    assert b"".join(bed.bucket.read(key)) == b"1" * (12 * MIB)


async def test_ctrl_c_ends_soon_and_says_how_to_go_on(bed: Bed) -> None:
    bed.write("checkpoints/big.safetensors", os.urandom(60 * MIB))
    arguments = (bed.models, bed.place.name, "--part-size", "5", "--parallel", "1")
    async with started(SCRIPT, *arguments, environ=bed.environ, cwd=bed.folder) as process:

        async def begun() -> bool:
            return entry_of(bed) is not None

        await until(begun, 60)
        process.send_signal(signal.SIGINT)
        done = await finished(process)

    assert done.status == 130, done.err
    assert "run the same command again to continue" in done.err


async def test_a_damaged_and_a_missing_file_are_found_and_mended(bed: Bed) -> None:
    for name in ("a", "b", "c"):
        bed.write(f"vae/{name}.pt", name.encode() * 10)
    await bed.sync()
    intact = await bed.run("verify", bed.place.name)
    bed.bucket.put(f"{MODELS_ON_VOLUME}/vae/a.pt", b"x" * 10)
    bed.bucket.delete(f"{MODELS_ON_VOLUME}/vae/b.pt")
    broken = await bed.run("verify", bed.place.name)
    mended = await bed.sync()

    assert intact.status == 0, intact.err
    assert broken.status == 1
    assert "vae/a.pt is damaged" in broken.err
    assert "vae/b.pt is not there" in broken.err
    assert "1 of 3 files are intact" in broken.err
    assert "sent  vae/b.pt" in mended.err


async def test_delete_removes_what_was_sent_and_leaves_what_others_put_there(bed: Bed) -> None:
    bed.write("vae/a.pt", b"a")
    bed.write("vae/replaced.pt", b"r")
    bed.write("loras/b.pt", b"b")
    await bed.sync()
    bed.bucket.put(f"{MODELS_ON_VOLUME}/vae/foreign.pt", b"f")
    bed.bucket.put(f"{MODELS_ON_VOLUME}/vae/replaced.pt", b"another")
    (bed.models / "vae" / "a.pt").unlink()
    (bed.models / "vae" / "replaced.pt").unlink()
    (bed.models / "loras" / "b.pt").unlink()
    chosen = await bed.sync("--delete", "--include", "vae/*")
    listed = await bed.run("list", bed.place.name)

    assert chosen.status == 1, chosen.err
    assert "deleted  vae/a.pt" in chosen.err
    assert "left alone  vae/replaced.pt: it is gone here, but the file there was changed" in chosen.err
    assert [line.split(maxsplit=2)[2] for line in listed.out.splitlines()] == [
        "loras/b.pt",
        "vae/foreign.pt  (not sent by this command)",
        "vae/replaced.pt  (changed since it was sent)",
    ]


async def test_the_quirks_of_a_volume_are_borne(bed: Bed) -> None:
    bed.write("vae/a.pt", b"a")
    bed.write("checkpoints/big.safetensors", os.urandom(12 * MIB))
    with quirky(bed.place) as (place, quirks):
        quirks.fail = 3
        done = await Bed(place, bed.models, bed.home, bed.folder).sync("--part-size", "5", "--delete")

    assert done.status == 0, done.err
    assert quirks.fail == 0
    assert not [asked for asked in quirks.asked if "?delete" in asked or "location" in asked or "X-Amz-Sig" in asked]
    assert not [asked for asked in quirks.asked if "list-type" in asked]  # a sync never lists
    assert head_follows_each_upload(quirks)


def head_follows_each_upload(quirks: Quirks) -> bool:
    keys = [f"/volume1/{MODELS_ON_VOLUME}/{name}" for name in ("vae/a.pt", "checkpoints/big.safetensors")]
    return all(f"HEAD {key}" in quirks.asked for key in keys)


async def test_a_success_that_is_none_is_not_believed(bed: Bed) -> None:
    bed.write("vae/a.pt", b"a")
    bed.write("vae/b.pt", b"b")
    with quirky(bed.place) as (place, quirks):
        quirks.hide = "vae/a.pt"
        done = await Bed(place, bed.models, bed.home, bed.folder).sync()

    assert done.status == 1
    assert "vae/a.pt: the storage reported success, but the file is not there" in done.err
    assert "sent  vae/b.pt" in done.err


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"RUNPOD_S3_SECRET_KEY": "rps_wrong"}, "refuses"),
        ({"RUNPOD_S3_ENDPOINT_URL": ""}, "RUNPOD_DATACENTER"),
        ({"RUNPOD_S3_SECRET_KEY": ""}, "RUNPOD_S3_SECRET_KEY: not set"),
    ],
)
async def test_what_is_wrong_is_one_clear_line(bed: Bed, variables: dict[str, str], says: str) -> None:
    bed.write("vae/a.pt", b"a")
    done = await bed.run(str(bed.models), bed.place.name, **variables)

    assert done.status in (1, 2)
    assert says in done.err
    assert len(done.err.splitlines()) == 1
