"""Uploads under way, on disk."""

import json
from pathlib import Path

import pytest

from client.sync.journal import SyncJournal
from client.sync.manifest import Content

CONTENT = Content(1000, "a" * 64)


def test_a_stored_part_is_known_to_the_next_process(tmp_path: Path) -> None:
    journal = SyncJournal(tmp_path / "uploads", "storage")
    entry = journal.begin("key", "upload1", CONTENT, 100)
    journal.stored("key", entry, 2, "tag2")
    journal.stored("key", entry, 1, "tag1")
    found = SyncJournal(tmp_path / "uploads", "storage").find("key")

    assert found == entry
    assert found is not None
    assert (found.upload, found.size, found.sha256, found.part_size) == ("upload1", 1000, "a" * 64, 100)
    assert found.tags == {1: "tag1", 2: "tag2"}


def test_uploads_of_one_name_to_two_storages_are_kept_apart(tmp_path: Path) -> None:
    one, other = SyncJournal(tmp_path, "one"), SyncJournal(tmp_path, "other")
    one.begin("key", "upload1", CONTENT, 100)

    assert other.find("key") is None
    assert one.find("other key") is None


def test_a_finished_upload_is_forgotten(tmp_path: Path) -> None:
    journal = SyncJournal(tmp_path, "storage")
    journal.begin("key", "upload1", CONTENT, 100)
    journal.forget("key")
    journal.forget("key")

    assert journal.find("key") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", json.dumps({"upload": "u"}), json.dumps({"tags": [1]}), "\x00"]
)
def test_an_entry_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    journal = SyncJournal(tmp_path, "storage")
    journal.begin("key", "upload1", CONTENT, 100)
    (path,) = tmp_path.iterdir()
    path.write_text(text, encoding="utf-8")

    assert journal.find("key") is None


def test_a_file_that_is_about_to_be_sent_is_known_until_it_is_there(tmp_path: Path) -> None:
    journal = SyncJournal(tmp_path / "uploads", "storage")
    journal.claim("key", CONTENT)
    later = SyncJournal(tmp_path / "uploads", "storage")
    known = later.claimed("key")
    later.release("key")
    later.release("key")

    assert known == CONTENT
    assert later.claimed("key") is None
    assert later.find("key") is None


def test_a_damaged_claim_claims_nothing(tmp_path: Path) -> None:
    journal = SyncJournal(tmp_path, "storage")
    journal.claim("key", CONTENT)
    for path in tmp_path.iterdir():
        path.write_text("{")

    assert journal.claimed("key") is None
    assert SyncJournal(tmp_path, "another").claimed("key") is None
