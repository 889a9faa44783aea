"""Brings the models of this machine to a volume: only what changed, several at once, on from where it was stopped."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass

from client.sync.digests import Digests
from client.sync.journal import SyncJournal
from client.sync.manifest import Content
from client.sync.models import Hashed, Model
from client.sync.sync_plan import SyncPlan, There, plan, surplus
from client.sync.transfer_display import TransferDisplay
from client.sync.upload import Stopped, Uploader, UploadFailed
from client.sync.volume import ModelVolume, key_of, total


@dataclass(frozen=True, slots=True)
class Choices:
    """What the person asked for."""

    delete: bool = False
    dry_run: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    parallel: int = 4
    part_size: int = 64 * 1024 * 1024
    overwrite: bool = False


class VolumeSync:
    """Raises StorageRefused, Unavailable and ManifestUnreadable where the whole cannot go on."""

    def __init__(
        self, volume: ModelVolume, digests: Digests, journal: SyncJournal, display: TransferDisplay, choices: Choices
    ) -> None:
        self._volume, self._digests, self._journal = volume, digests, journal
        self._display, self._choices = display, choices
        self._stop = threading.Event()

    def sync(self, models: tuple[Model, ...]) -> bool:
        """Whether every file is there now, as far as it was to be sent at all."""
        self._volume.bucket.require()
        manifest = self._volume.manifest()
        with self._workers() as (files, parts):
            here = self._hashed(models, files)
            known = {name: item.content for name, item in here.items()}
            gone = surplus(here, manifest, self._choices.include, self._choices.exclude) if self._choices.delete else []
            there = There(manifest, self._volume.sizes([*known, *gone], files), self._begun(known))
            decided = plan(known, there, delete=gone, overwrite=self._choices.overwrite)
            self._announce(decided, known)
            if self._choices.dry_run:
                return True
            failed = self._upload(decided, here, files, parts)
        for name in decided.delete:
            self._volume.delete(name)
            self._volume.note(name, None)
            self._display.say(f"deleted  {name}")
        return not failed and all(held.settled for held in decided.held)

    def verify(self) -> bool:
        """Whether every file on the volume holds what the manifest says; each is read whole."""
        manifest = self._volume.manifest()
        self._display.expect(total(manifest))
        with self._workers() as (files, _):
            faults = self._each(manifest, lambda name: self._verify(name, manifest[name]), files)
        self._display.say(f"{len(manifest) - len(faults)} of {len(manifest)} files are intact")
        return not faults

    def _verify(self, name: str, content: Content) -> None:
        def advance(count: int) -> None:
            if self._stop.is_set():
                raise Stopped
            self._display.advance(name, count)

        self._display.begin(name, content.size)
        if fault := self._volume.fault(name, content, advance):
            raise UploadFailed(f"{name} {fault}")
        self._display.end(name, "intact")

    # -- parts of a sync

    def _hashed(self, models: tuple[Model, ...], files: ThreadPoolExecutor) -> dict[str, Hashed]:
        """Reading all files comes first: what changed is known only then. It is quick where nothing did."""

        def hashed(model: Model) -> Hashed:
            def advance(_: int) -> None:
                if self._stop.is_set():
                    raise Stopped

            return Hashed(model, self._digests.content(model, advance))

        return {item.model.name: item for item in files.map(hashed, models)}

    def _begun(self, names: Iterable[str]) -> dict[str, Content]:
        """The uploads of an earlier run that were not seen to their end."""
        claimed = ((name, self._journal.claimed(key_of(name))) for name in names)
        return {name: content for name, content in claimed if content is not None}

    def _announce(self, decided: SyncPlan, here: dict[str, Content]) -> None:
        size = sum(here[name].size for name in decided.upload)
        self._display.say(
            f"{len(decided.upload)} to send ({size / 1e9:.2f} GB), {len(decided.unchanged)} unchanged, "
            f"{len(decided.delete)} to delete"
        )
        for held in decided.held:
            self._display.say(f"left alone  {held.name}: {held.reason}")
        if decided.held:
            self._display.say("with --overwrite they are treated like the others")
        if self._choices.dry_run:
            for verb, names in (("send", decided.upload), ("delete", decided.delete)):
                for name in names:
                    self._display.say(f"would {verb}  {name}")
        else:
            self._display.expect(size)

    def _upload(
        self,
        decided: SyncPlan,
        here: dict[str, Hashed],
        files: ThreadPoolExecutor,
        parts: ThreadPoolExecutor,
    ) -> list[str]:
        size, advance = self._choices.part_size, self._display.advance
        uploader = Uploader(self._volume.bucket, self._journal, parts, size, advance, self._stop)

        def send(name: str) -> None:
            key = key_of(name)
            self._display.begin(name, here[name].content.size)
            self._journal.claim(key, here[name].content)
            kept = uploader.upload(key, here[name])
            self._volume.note(name, here[name].content)
            self._journal.release(key)
            self._display.end(name, "sent", kept)

        return self._each(decided.upload, send, files)

    def _each(self, names: Iterable[str], act: Callable[[str], None], files: ThreadPoolExecutor) -> list[str]:
        """*act* on each of *names*, several at once; the ones that failed. A fault of the storage itself is raised."""

        def attempt(name: str) -> str | None:
            try:
                act(name)
            except UploadFailed as failure:
                self._display.give_up(name, str(failure))
                return name
            return None

        running = [files.submit(attempt, name) for name in names]
        return [name for future in as_completed(running) if (name := future.result())]

    @contextmanager
    def _workers(self) -> Iterator[tuple[ThreadPoolExecutor, ThreadPoolExecutor]]:
        """Threads for files and for their parts; whatever ends the block early ends them at their next piece."""
        files, parts = (ThreadPoolExecutor(self._choices.parallel) for _ in range(2))
        try:
            yield files, parts
        except BaseException:
            self._stop.set()
            raise
        finally:
            for pool in (files, parts):
                pool.shutdown(wait=True, cancel_futures=True)
