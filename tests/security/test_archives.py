"""Archives and manifests: whoever made them wants a file elsewhere, a full disk, or a program that stumbles."""

import contextlib
import io
import json
import stat
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.sync import extract_models
from client.sync.manifest import ManifestUnreadable, decode_manifest
from client.sync.models import ModelsUnreadable, find_models
from tests.support.odd_manifests import MANIFESTS, TEXTS
from wire.errors import WireError
from worker.models.downloads import Downloads, ModelUnavailable
from worker.models.manifest import read_manifest
from worker.models.required_models import RequiredModels
from worker.models.sources import ModelSources

SHA256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
"""of one x"""


def is_one_sentence(text: str) -> bool:
    return text.isprintable() and 0 < len(text) <= 1200


# -- the worker: models that are to be downloaded


@pytest.mark.parametrize("name", TEXTS)
def test_a_manifest_of_models_is_read_or_refused_in_one_sentence(name: str) -> None:
    try:
        read_manifest(TEXTS[name])
    except WireError as error:
        assert is_one_sentence(str(error))


async def silent(_: str) -> None:
    return


@pytest.mark.parametrize("name", MANIFESTS)
async def test_a_manifest_on_the_volume_makes_a_job_fail_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "models.yaml").write_bytes(MANIFESTS[name])
    downloads = Downloads(tmp_path, ModelSources(None, {}, allow_private=False), retry_s=0.001)
    try:
        await RequiredModels(downloads, tmp_path, None).ensure([], silent)
    except ModelUnavailable as error:
        assert is_one_sentence(str(error))
    assert [path.name for path in tmp_path.rglob("*")] == ["models.yaml"]


# -- sync-models: the manifest on the volume, and files that name folders of models


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_manifest_of_a_volume_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(ManifestUnreadable) as refused:
        decode_manifest(MANIFESTS[name])

    assert is_one_sentence(str(refused.value))


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_file_of_model_folders_is_read_or_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "models").mkdir()
    file = tmp_path / "extra_model_paths.yaml"
    file.write_bytes(MANIFESTS[name])
    try:
        found = find_models(tmp_path / "models", [file], (), ())
    except ModelsUnreadable as error:
        assert is_one_sentence(str(error))
    else:
        assert found.models == ()


# -- extract-models.py: alone on the other side


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Unpacks ``models.zip``, which must be refused with nothing put in place; what was said."""

    def unpack() -> str:
        target = tmp_path / "volume" / "models"
        monkeypatch.setattr(sys, "argv", ["x", "--archive", str(tmp_path / "models.zip"), "--target", str(target)])
        status = extract_models.main()
        said, kept = capsys.readouterr().err.splitlines()
        assert status == 1
        assert kept.endswith("no unchecked file was put in place")
        assert is_one_sentence(said)
        assert not [path for path in (tmp_path / "volume").rglob("*") if path.is_file()]
        assert {path.name for path in tmp_path.iterdir()} <= {"models.zip", "volume"}
        return said

    return unpack


def manifest(*names: str) -> bytes:
    return json.dumps({"files": {name: {"size": 1, "sha256": SHA256} for name in names}}).encode()


def packed(path: Path | io.BytesIO, *members: tuple[zipfile.ZipInfo | str, bytes], listed: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in members:
            archive.writestr(info, content)
        archive.writestr("MANIFEST.json", listed, zipfile.ZIP_DEFLATED)


@pytest.mark.parametrize("name", [name for name in MANIFESTS if name != "another version"])
def test_an_archive_with_an_odd_manifest_is_refused(tmp_path: Path, run: Callable[[], str], name: str) -> None:
    packed(tmp_path / "models.zip", ("models/a.pt", b"x"), listed=MANIFESTS[name])

    assert "manifest" in run()


def kind(mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("models/a.pt")
    info.external_attr = (mode | 0o644) << 16
    return info


KINDS = {
    "link": stat.S_IFLNK,
    "device": stat.S_IFCHR,
    "disk": stat.S_IFBLK,
    "pipe": stat.S_IFIFO,
    "socket": stat.S_IFSOCK,
    "folder": stat.S_IFDIR,
}


@pytest.mark.parametrize("mode", KINDS)
def test_only_plain_files_are_unpacked(tmp_path: Path, run: Callable[[], str], mode: str) -> None:
    packed(tmp_path / "models.zip", (kind(KINDS[mode]), b"x"), listed=manifest("a.pt"))

    assert "not a plain file" in run()


def test_a_manifest_that_is_a_link_is_refused(tmp_path: Path, run: Callable[[], str]) -> None:
    info = kind(stat.S_IFLNK)
    info.filename = "MANIFEST.json"
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.writestr(info, manifest())

    assert "not a plain file" in run()


NAMES = [
    "/etc/x.pt", "models//etc/x.pt", "models/../x.pt", "models/a/../../x.pt", "models/..", "models/C:x.pt",
    "models/a\\..\\x", "models/", "x.pt", "models/sub/", "models/\x01", "models/ ", "MODELS/x.pt",
    f"models/{'n' * 250}", "models/" + "n/" * 1500 + "x",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_a_name_that_leads_out_or_that_no_disk_takes_is_refused(
    tmp_path: Path, run: Callable[[], str], name: str
) -> None:
    packed(tmp_path / "models.zip", (name, b"x"), listed=manifest(name.removeprefix("models/")))

    assert "names a file" in (said := run()) or (name.endswith("/") and "not a plain file" in said)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("double", ["models/a.pt", "MANIFEST.json", "extract-models.py"])
def test_a_file_that_is_there_twice_is_refused(tmp_path: Path, run: Callable[[], str], double: str) -> None:
    members = [("models/a.pt", b"x"), (double, b"x"), (double, b"y")]
    packed(tmp_path / "models.zip", *members, listed=manifest("a.pt"))

    assert "twice" in run()


def patched(path: Path, change: Callable[[zipfile.ZipInfo], None], content: bytes = b"x") -> None:
    """An archive whose list says something else of a file than what is there."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("models/a.pt", content, zipfile.ZIP_DEFLATED)
        info = archive.getinfo("models/a.pt")
        change(info)
        listed = {"files": {"a.pt": {"size": info.file_size, "sha256": SHA256}}}
        archive.writestr("MANIFEST.json", json.dumps(listed))


def more_than_it_has(info: zipfile.ZipInfo) -> None:
    info.file_size = 1000


def more_than_the_disk(info: zipfile.ZipInfo) -> None:
    info.file_size = 2**62


def encrypted(info: zipfile.ZipInfo) -> None:
    info.flag_bits |= 1


def lzma(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_LZMA


def unknown(info: zipfile.ZipInfo) -> None:
    info.compress_type = 97


def wrong_sum(info: zipfile.ZipInfo) -> None:
    info.CRC ^= 1


def elsewhere(info: zipfile.ZipInfo) -> None:
    info.header_offset = 10_000_000


LIES: dict[Callable[[zipfile.ZipInfo], None], str] = {
    more_than_it_has: "ends before", more_than_the_disk: "GB free", encrypted: "not a plain file", lzma: "unknown way",
    unknown: "unknown way", wrong_sum: "cannot be read", elsewhere: "cannot be read",
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_list_that_lies_is_refused(
    tmp_path: Path, run: Callable[[], str], lie: Callable[[zipfile.ZipInfo], None]
) -> None:
    patched(tmp_path / "models.zip", lie)

    assert LIES[lie] in run()


def test_a_file_that_unpacks_to_more_than_it_says_ends_where_it_says(tmp_path: Path, run: Callable[[], str]) -> None:
    def says_one(info: zipfile.ZipInfo) -> None:
        info.file_size = 1

    patched(tmp_path / "models.zip", says_one, content=bytes(10_000_000))

    assert run()


def test_a_manifest_that_unpacks_to_gigabytes_is_refused_before(tmp_path: Path, run: Callable[[], str]) -> None:
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.writestr("MANIFEST.json", bytes(1000), zipfile.ZIP_DEFLATED)
        archive.getinfo("MANIFEST.json").file_size = 2**40

    assert "more than 33554432 bytes" in run()


def listed_only(names: int) -> bytes:
    """A list of that many files without the files."""
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 13, 0, 0, 0, 0, 0, 0)
    entries = b"".join(entry + b"models/%06d" % number for number in range(names))
    big = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, names, names, len(entries), 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(entries), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return entries + big + locator + end


def test_an_archive_of_very_many_files_is_refused(tmp_path: Path, run: Callable[[], str]) -> None:
    (tmp_path / "models.zip").write_bytes(listed_only(extract_models.FILES_MAX + 1))

    assert "more than 100000 files" in run()


def test_a_list_that_would_fill_the_memory_is_not_read(tmp_path: Path, run: Callable[[], str]) -> None:
    size = 2**40
    with (tmp_path / "models.zip").open("wb") as file:
        file.truncate(size)  # a file with a hole
        file.seek(size)
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, 0))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, size, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))

    assert "list of files" in run()


def _sound() -> bytes:
    archive = io.BytesIO()
    packed(archive, ("models/a.pt", b"x"), ("models/sub/b.pt", b"x"), listed=manifest("a.pt", "sub/b.pt"))
    return archive.getvalue()


SOUND = _sound()


def test_what_was_cut_anywhere_is_refused(tmp_path: Path, run: Callable[[], str]) -> None:
    for length in range(0, len(SOUND), 7):
        (tmp_path / "models.zip").write_bytes(SOUND[:length])

        assert run()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_an_archive_with_other_bytes_is_unpacked_as_its_manifest_says_or_refused(
    changes: list[tuple[int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content, archive, target = bytearray(SOUND), folder / "models.zip", folder / "volume" / "models"
        for at, byte in changes:
            content[at % len(content)] = byte
        archive.write_bytes(content)
        with contextlib.suppress(extract_models.Refused, OSError):
            extract_models.extract(archive, target)

        written = [path for path in folder.rglob("*") if path.is_file() and path != archive]
        models = [path for path in written if path.name != "models-manifest.json"]
        assert all(path.is_relative_to(target) and path.read_bytes() == b"x" for path in models)
