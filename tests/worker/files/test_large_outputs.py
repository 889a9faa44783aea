"""Large outputs are stored where whoever sent the job fetches them, or go through the stream."""

import hashlib
import os
import time
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage.objects import S3Location
from wire.files import OUTPUTS_FOLDER, Url, Volume, output_key
from worker.files.large_outputs import LargeOutputs

CONTENT = b"a film" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(CONTENT)
    return path


def on_volume(folder: Path, max_age_s: float = 3600) -> LargeOutputs:
    folder.mkdir(exist_ok=True)
    return LargeOutputs(folder, None, max_age_s)


def test_a_large_output_is_copied_to_the_volume(tmp_path: Path, film: Path) -> None:
    store = on_volume(tmp_path / "volume").store_for("p", ["volume"])
    assert store is not None

    source = store(film, SHA256)

    assert source == Volume(path=output_key("p", SHA256))
    assert (tmp_path / "volume" / output_key("p", SHA256)).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "volume" / OUTPUTS_FOLDER / "p").iterdir()] == [SHA256]


def test_the_volume_comes_before_the_bucket(tmp_path: Path, film: Path, volume: S3Location) -> None:
    store = LargeOutputs(tmp_path, volume, 3600).store_for("p", ["url", "volume"])
    assert store is not None

    assert isinstance(store(film, SHA256), Volume)


@pytest.mark.parametrize("fetches", [[], ["url"], ["elsewhere"]])
def test_what_the_sender_cannot_fetch_goes_through_the_stream(tmp_path: Path, fetches: list[str]) -> None:
    assert on_volume(tmp_path).store_for("p", fetches) is None


def test_without_volume_and_bucket_everything_goes_through_the_stream() -> None:
    assert LargeOutputs(None, None, 3600).store_for("p", ["volume", "url"]) is None


def test_a_volume_that_takes_no_file_lets_it_go_through_the_stream(tmp_path: Path, film: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "comfy-runpod").write_text("a file where the folder should be")
    store = LargeOutputs(tmp_path / "volume", None, 3600).store_for("p", ["volume"])
    assert store is not None

    assert store(film, SHA256) is None


def test_a_prompt_id_that_leads_out_of_the_folder_stores_nothing(tmp_path: Path, film: Path) -> None:
    store = on_volume(tmp_path / "volume").store_for("../../..", ["volume"])
    assert store is not None

    assert store(film, SHA256) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "volume"]


def test_outputs_that_nobody_fetched_go_when_they_are_old(tmp_path: Path, film: Path) -> None:
    outputs = on_volume(tmp_path / "volume", max_age_s=60)
    for prompt, age_s in (("old", 61), ("young", 30)):
        store = outputs.store_for(prompt, ["volume"])
        assert store is not None
        store(film, SHA256)
        path = tmp_path / "volume" / output_key(prompt, SHA256)
        os.utime(path, (time.time() - age_s, time.time() - age_s))
    store = outputs.store_for("new", ["volume"])
    assert store is not None

    store(film, SHA256)

    assert {path.name for path in (tmp_path / "volume" / OUTPUTS_FOLDER).iterdir()} == {"young", "new"}


def test_empty_folders_of_earlier_jobs_go_when_they_are_old(tmp_path: Path, film: Path) -> None:
    """A file was fetched and removed, or the volume was full; a young folder may be another worker's."""
    outputs, folder = on_volume(tmp_path / "volume", max_age_s=60), tmp_path / "volume" / OUTPUTS_FOLDER
    for prompt, age_s in (("old", 61), ("young", 30)):
        (folder / prompt).mkdir(parents=True)
        os.utime(folder / prompt, (time.time() - age_s, time.time() - age_s))
    store = outputs.store_for("new", ["volume"])
    assert store is not None

    store(film, SHA256)

    assert {path.name for path in folder.iterdir()} == {"young", "new"}


def test_a_large_output_is_uploaded_and_can_be_fetched_by_its_address(film: Path, volume: S3Location) -> None:
    store = LargeOutputs(None, volume, 3600).store_for("p", ["url"])
    assert store is not None

    source = store(film, SHA256)

    assert isinstance(source, Url)
    with urllib.request.urlopen(source.url) as response:
        assert response.read() == CONTENT


def test_a_bucket_that_refuses_lets_the_file_go_through_the_stream(film: Path, volume: S3Location) -> None:
    refused = replace(volume, secret_key=SecretStr("wrong-secret"))
    store = LargeOutputs(None, refused, 3600).store_for("p", ["url"])
    assert store is not None

    assert store(film, SHA256) is None
