"""What is said about an event beside what it shows."""

from engine.jobs.notices import notices_of
from tests.support.playbook import reference
from wire.events import FilesSaved


def test_files_that_were_sent_need_no_word() -> None:
    assert list(notices_of(FilesSaved(files=(reference(),)))) == []


def test_files_that_were_not_sent_are_counted() -> None:
    (notice,) = notices_of(FilesSaved(left_out=12))

    assert notice.severity == "warn"
    assert notice.detail.startswith("12 files that the prompt saved")


def test_a_single_file_is_one_file() -> None:
    (notice,) = notices_of(FilesSaved(left_out=1))

    assert notice.detail.startswith("1 file that the prompt saved")


def test_a_place_outside_is_named_with_what_to_do() -> None:
    (notice,) = notices_of(FilesSaved(elsewhere=("/tmp/foo",)))

    assert notice.detail == (
        "A file was saved to /tmp/foo on the worker, and is gone with it: use a folder inside output."
    )


def test_many_and_long_places_stay_short() -> None:
    (notice,) = notices_of(FilesSaved(elsewhere=tuple(f"/{number}{'x' * 5000}" for number in range(10))))

    assert "and 7 more" in notice.detail
    assert len(notice.detail) < 1000
