from pathlib import Path

from engine.model.job import Entry
from engine.model.sequence import Progress
from engine.model.states import JobState
from engine.store.jobs import JobStore
from tests.support.jobs import added
from wire.batch import NumberedEvent
from wire.events import FilesSaved, NodeOutput, NodeStarted, PromptStarted
from wire.files import FileRef, Url, Volume

STARTED = NumberedEvent(seq=0, event=PromptStarted(timestamp=1))
NODE = NumberedEvent(seq=3, event=NodeStarted(node="4"))


def test_what_was_received_is_there_after_a_restart_and_gone_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    with JobStore(path) as store:
        job = added(store, "a")
        store.journal.received(job, Progress("run", 3, 1), [STARTED], restarted=False, seen_ms=70)
        store.journal.received(job, Progress("run", 3, 4), [NODE], restarted=False, seen_ms=80)

    with JobStore(path) as store:
        assert store.journal.progress(job) == Progress("run", 3, 4)
        assert store.journal.events(job) == (STARTED, NODE)
        assert store.get(job).seen_ms == 80
        store.end(job, JobState.FAILED, Entry(), 90)
        assert store.journal.events(job) == ()


def test_a_new_run_makes_the_old_one_void(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        store.journal.received(job, Progress("one", 3, 4), [STARTED, NODE], restarted=False, seen_ms=1)
        store.journal.received(job, Progress("two", 9, 1), [STARTED], restarted=True, seen_ms=2)

        assert store.journal.events(job) == (STARTED,)


def test_a_signed_address_is_not_kept(tmp_path: Path) -> None:
    file = FileRef(filename="a", type="output", sha256="0" * 64, size=1, source=Url(url="https://x/?X-Amz-Signature=s"))
    volume = file.model_copy(update={"source": Volume(path="outputs/a")})
    events = (NodeOutput(node="9", files=(file, volume)), FilesSaved(files=(file, volume)))
    numbered = [NumberedEvent(seq=seq, event=event) for seq, event in enumerate(events)]
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        store.journal.received(job, Progress("run", 1, 2), numbered, restarted=False, seen_ms=1)
        kept = [item.event for item in store.journal.events(job)]

    files = [event.files for event in kept if isinstance(event, NodeOutput | FilesSaved)]
    assert [[one.source for one in each] for each in files] == [[Url(url=""), Volume(path="outputs/a")]] * 2
    assert all(b"X-Amz" not in path.read_bytes() for path in tmp_path.iterdir())
