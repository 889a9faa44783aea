import pytest

from engine.jobs.services import UnknownKinds


def test_an_event_that_this_version_does_not_know_is_said_once_for_each_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinds = UnknownKinds()
    for name in ("hologram", "hologram", "smell"):
        kinds.warn_once(name)

    assert len(caplog.records) == 2
    assert "older than the worker" in caplog.text
