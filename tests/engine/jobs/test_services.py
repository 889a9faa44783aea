import pytest

from engine.jobs.services import UnknownKinds


def test_an_event_that_this_version_does_not_know_is_said_once_for_each_kind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinds = UnknownKinds()
    for name in ("hologram", "hologram", "smell"):
        kinds.warn_once(name)

    assert len(caplog.records) == 2
    assert "a newer one may" in caplog.text


def test_a_worker_that_invents_names_fills_neither_log_nor_memory(caplog: pytest.LogCaptureFixture) -> None:
    kinds = UnknownKinds()
    for number in range(1000):
        kinds.warn_once(f"{number}-{'x' * 1000}")

    assert len(caplog.records) < 100
    assert len(caplog.text) < 20_000
