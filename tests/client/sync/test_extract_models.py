"""The script for the other side, alone and in isolated mode: nothing but Python is there."""

import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from client.sync import extract_models
from client.sync.archive import extraction_script, write_archive
from client.sync.models import find_models
from tests.support.names import NAMES, NameCase

CONTENTS = {"checkpoints/a.safetensors": b"a" * 5000, "loras/b.pt": b"b" * 10}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name, content in CONTENTS.items():
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    models = find_models(tmp_path / "models", (), (), ()).models
    write_archive(models, tmp_path / "models.zip", lambda _: None, lambda _: None)
    (tmp_path / "extract-models.py").write_text(extraction_script(), encoding="utf-8")
    return tmp_path / "models.zip"


def extract(archive: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    script = [sys.executable, "-I", "-S", "extract-models.py"]
    command = [*script, "--archive", archive.name, "--target", "volume/models"]
    return subprocess.run(
        [*command, *more], cwd=archive.parent, check=False, capture_output=True, text=True, timeout=60
    )


def there(archive: Path) -> dict[str, bytes]:
    target = archive.parent / "volume" / "models"
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def rewritten(archive: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """The archive with other members."""
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    with zipfile.ZipFile(archive, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)


def test_every_file_arrives_and_the_archive_goes(archive: Path) -> None:
    done = extract(archive)

    assert done.returncode == 0, done.stderr
    assert there(archive) == CONTENTS
    assert not archive.exists()


def test_a_larger_file_and_one_of_another_program_are_left_alone(archive: Path) -> None:
    target = archive.parent / "volume" / "models"
    theirs = {"checkpoints/a.safetensors": b"larger" * 1000, "loras/b.pt": b"theirs"}
    for name, content in theirs.items():
        (target / name).parent.mkdir(parents=True)
        (target / name).write_bytes(content)
    done = extract(archive)
    kept, noted = there(archive), json.loads((target.parent / "models-manifest.json").read_text())
    forced = extract(archive, "--overwrite")

    assert done.returncode == 1
    assert "checkpoints/a.safetensors was left alone: the file there is larger, 6000 bytes" in done.stderr
    assert "loras/b.pt was left alone: another program has put a file there; --overwrite replaces" in done.stderr
    assert (kept, noted["files"]) == (theirs, {})
    assert forced.returncode == 0, forced.stderr
    assert there(archive) == CONTENTS
    assert not archive.exists()


def test_an_older_file_of_ours_is_replaced(archive: Path) -> None:
    target = archive.parent / "volume" / "models"
    (target / "loras").mkdir(parents=True)
    (target / "loras" / "b.pt").write_bytes(b"older")
    noted = {"loras/b.pt": {"size": 5, "sha256": "0" * 64}}
    (target.parent / "models-manifest.json").write_text(json.dumps({"version": 1, "files": noted}))
    done = extract(archive)

    assert done.returncode == 0, done.stderr
    assert there(archive) == CONTENTS


def test_weights_are_stored_as_they_are(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        kinds = {info.compress_type for info in opened.infolist() if info.filename.startswith("models/")}

    assert kinds == {zipfile.ZIP_STORED}


def test_a_second_run_writes_only_what_is_missing(archive: Path) -> None:
    extract(archive, "--keep")
    target = archive.parent / "volume" / "models"
    kept = (target / "checkpoints" / "a.safetensors").stat().st_mtime_ns
    (target / "loras" / "b.pt").write_bytes(b"x" * 10)
    (target / "loras" / ".b.pt.part").write_bytes(b"half")
    done = extract(archive)

    assert done.returncode == 0, done.stderr
    assert there(archive) == CONTENTS
    assert (target / "checkpoints" / "a.safetensors").stat().st_mtime_ns == kept
    assert "checkpoints" not in done.stdout.splitlines()[0]


def test_a_tampered_file_is_refused_and_the_archive_kept(archive: Path) -> None:
    raw = archive.read_bytes()
    archive.write_bytes(raw.replace(b"a" * 5000, b"a" * 4999 + b"x"))
    done = extract(archive)

    assert done.returncode == 1
    assert "a.safetensors" not in str(there(archive))
    assert archive.exists()
    assert "Traceback" not in done.stderr


def other_content(members: dict[str, bytes]) -> None:
    members["models/checkpoints/a.safetensors"] = b"x" * 5000


def test_a_file_that_differs_from_the_manifest_is_refused_though_its_zip_is_sound(archive: Path) -> None:
    rewritten(archive, other_content)
    done = extract(archive)

    assert done.returncode == 1
    assert "its SHA-256 differs from the manifest" in done.stderr
    assert there(archive) == {}
    assert archive.exists()


def named(name: str) -> Callable[[dict[str, bytes]], None]:
    """A further member, which the manifest lists too, so that only its name is at fault."""

    def change(members: dict[str, bytes]) -> None:
        members[name] = b""
        manifest = json.loads(members["MANIFEST.json"])
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        manifest["files"][name.removeprefix("models/")] = {"size": 0, "sha256": empty}
        members["MANIFEST.json"] = json.dumps(manifest).encode()

    return change


@pytest.mark.parametrize(
    "name",
    ["../evil", "models/../../evil", "models/../evil", "/tmp/evil", "models//tmp/evil", "evil", "models/a\\..\\evil",
     "models/C:evil", "models/./evil", "models/sub/"],
)  # fmt: skip
def test_a_name_that_leads_out_is_refused_before_anything_is_written(archive: Path, name: str) -> None:
    rewritten(archive, named(name))
    done = extract(archive)

    assert done.returncode == 1, done.stdout
    assert "refused" not in done.stdout
    assert there(archive) == {}
    assert archive.exists()
    assert not list(archive.parent.rglob("*evil*"))


@pytest.mark.parametrize("case", NAMES, ids=lambda case: ascii(case.path[:30]))
def test_the_script_accepts_the_names_that_the_project_accepts(case: NameCase) -> None:
    assert extract_models.leads_out(case.path) is not case.accepted


def test_a_link_in_the_archive_is_refused(archive: Path) -> None:
    rewritten(archive, named("models/link"))
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(archive, "w") as new:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16 if name == "models/link" else 0o100644 << 16
            new.writestr(info, content)
    done = extract(archive)

    assert done.returncode == 1
    assert "not a plain file" in done.stderr


def test_a_link_on_the_volume_is_no_way_out(archive: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "volume" / "models").mkdir(parents=True)
    (tmp_path / "volume" / "models" / "loras").symlink_to(outside)
    done = extract(archive)

    assert done.returncode == 1
    assert "leads out" in done.stderr
    assert list(outside.iterdir()) == []


def more(members: dict[str, bytes]) -> None:
    members["models/unlisted.pt"] = b"?"


def less(members: dict[str, bytes]) -> None:
    del members["models/loras/b.pt"]


def bare(members: dict[str, bytes]) -> None:
    del members["MANIFEST.json"]


@pytest.mark.parametrize("change", [more, less, bare])
def test_an_archive_that_is_not_its_manifest_is_refused(
    archive: Path, change: Callable[[dict[str, bytes]], None]
) -> None:
    rewritten(archive, change)
    done = extract(archive)

    assert done.returncode == 1
    assert there(archive) == {}


def test_half_an_archive_and_none_are_refused_in_one_sentence(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:3000])
    half = extract(archive)
    archive.unlink()
    none = extract(archive)

    assert (half.returncode, none.returncode) == (1, 1)
    assert "no such file" in none.stderr
    assert "Traceback" not in half.stderr + none.stderr
