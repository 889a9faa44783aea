"""The command line of scripts/sync-models.py: parse, build, print."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.filesize import decimal

from client.sync import extract_models
from client.sync.archive import ArchiveFailed, extraction_script, write_archive
from client.sync.digests import Digests
from client.sync.instructions import instructions
from client.sync.journal import SyncJournal
from client.sync.manifest import ManifestUnreadable
from client.sync.models import Model, ModelsUnreadable, find_models
from client.sync.parts import MIB, PART_MAX
from client.sync.runpodctl import RunpodctlMissing, TransferFailed, require_runpodctl, send
from client.sync.sync_plan import EMPTY
from client.sync.transfer_display import TransferDisplay
from client.sync.volume import ModelVolume
from client.sync.volume_sync import Choices, VolumeSync
from engine.errors import CannotStart
from engine.files.s3_settings import NotSet, volume
from engine.home import private_home
from engine.settings import Settings, SettingsError, load_settings
from storage.objects import StorageRefused
from storage.s3 import Bucket
from wire.errors import Unavailable

_FAILURES = (
    ModelsUnreadable, NotSet, ManifestUnreadable, StorageRefused, Unavailable, ArchiveFailed, RunpodctlMissing,
    TransferFailed, CannotStart,
)  # fmt: skip
_WIDE = {"max_content_width": 120}
_PATH = click.Path(path_type=Path)
_PATTERN = {"multiple": True, "metavar": "PATTERN"}


@click.command(context_settings=_WIDE)
@click.argument("local_dir", type=_PATH)
@click.argument("volume_id", required=False)
@click.option(
    "--method", type=click.Choice(["s3", "archive"]), help="How to transfer. [s3 when its keys are set, else archive]"
)
@click.option("--include", help="Send only files that match, such as 'loras/*'; may be repeated.", **_PATTERN)  # type: ignore[arg-type]
@click.option("--exclude", help="Skip files that match; may be repeated.", **_PATTERN)  # type: ignore[arg-type]
@click.option(
    "--extra-model-paths", "extra", type=_PATH, multiple=True, help="An extra_model_paths.yaml with more folders."
)
@click.option("--delete", is_flag=True, help="s3: delete files that were sent earlier and are gone here.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Also send empty files, and replace larger ones and ones that this command did not send.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done with each file.")
@click.option("--parallel", type=click.IntRange(1, 32), default=4, help="s3: number of transfers at once. [4]")
@click.option(
    "--part-size", type=click.IntRange(5, PART_MAX // MIB), default=64, help="s3: size of a part in MiB. [64]"
)
@click.option("--keep", is_flag=True, help="archive: keep models.zip afterwards.")
def sync(
    *, local_dir: Path, volume_id: str | None, method: str | None, extra: tuple[Path, ...], keep: bool, **chosen: Any
) -> None:
    """Copy models to a network volume. LOCAL_DIR is a ComfyUI or its models folder; VOLUME_ID is RUNPOD_VOLUME_ID
    unless given.

    \b
    Two methods:
      s3       over the volume's S3 API: sends only what changed, and continues where it was stopped
      archive  as models.zip by 'runpodctl send', with extract-models.py for the other side

    Other commands: sync-models.py list VOLUME_ID · sync-models.py verify VOLUME_ID
    """
    with _failing_in_one_line():
        settings = load_settings(needs_key=False, runpod_volume_id=volume_id)
        there = _volume_id(settings)
        found = find_models(local_dir, extra, chosen["include"], chosen["exclude"])
        for remark in found.remarks:
            click.echo(remark, err=True)
        if not found.models and not chosen["delete"]:
            raise ModelsUnreadable(f"{local_dir}: no matching models there")
        if (method or ("s3" if settings.runpod_s3_access_key else "archive")) == "s3":
            chosen["part_size"] *= MIB
            sys.exit(0 if _synced(settings, there, found.models, Choices(**chosen)) else 1)
        chosen_models = found.models if chosen["overwrite"] else _without_empty(found.models)
        _send_archive(chosen_models, there, dry_run=chosen["dry_run"], keep=keep)


@click.command("list", context_settings=_WIDE)
@click.argument("volume_id", required=False)
def list_models(*, volume_id: str | None) -> None:
    """List the models on a volume. This is slow for many files, because RunPod reads each of them."""
    with _failing_in_one_line():
        settings = load_settings(needs_key=False, runpod_volume_id=volume_id)
        for item in _volume(settings, _volume_id(settings)).listed():
            size = "missing" if item.size is None else decimal(item.size)
            sent = item.content is not None
            mark = "" if sent and item.content and item.content.size == item.size else "not sent by this command"
            click.echo(
                f"{size:>10}  {item.name}" + (f"  ({'changed since it was sent' if sent else mark})" if mark else "")
            )


@click.command(context_settings=_WIDE)
@click.argument("volume_id", required=False)
@click.option("--parallel", type=click.IntRange(1, 32), default=4, help="Number of files at once. [4]")
def verify(*, volume_id: str | None, parallel: int) -> None:
    """Read every model that was sent to a volume, and check its SHA-256."""
    with _failing_in_one_line():
        settings = load_settings(needs_key=False, runpod_volume_id=volume_id)
        sys.exit(0 if _with_sync(settings, _volume_id(settings), Choices(parallel=parallel), VolumeSync.verify) else 1)


def _volume_id(settings: Settings) -> str:
    if settings.runpod_volume_id is None:
        raise NotSet("VOLUME_ID: not given, and RUNPOD_VOLUME_ID is not set")
    return settings.runpod_volume_id


COMMANDS = {"list": list_models, "verify": verify}


def main(arguments: list[str]) -> None:
    """``LOCAL_DIR VOLUME_ID`` without a command is a sync."""
    name = arguments[0] if arguments else ""
    if name in COMMANDS:
        COMMANDS[name].main(arguments[1:], prog_name=f"sync-models.py {name}")
    sync.main(arguments, prog_name="sync-models.py")


def _synced(settings: Settings, volume_id: str, models: tuple[Model, ...], choices: Choices) -> bool:
    return _with_sync(settings, volume_id, choices, lambda sync: sync.sync(models))


def _with_sync(settings: Settings, volume_id: str, choices: Choices, act: Callable[[VolumeSync], bool]) -> bool:
    if problem := private_home(settings.comfy_runpod_home):
        click.echo(problem, err=True)
    home, there = settings.comfy_runpod_home / "sync", _volume(settings, volume_id)
    with TransferDisplay(Console(stderr=True)) as display:
        storage = f"{there.bucket.place.url} {volume_id}"
        digests, journal = Digests(home / "digests.jsonl"), SyncJournal(home / "uploads", storage)
        return act(VolumeSync(there, digests, journal, display, choices))


def _volume(settings: Settings, volume_id: str) -> ModelVolume:
    return ModelVolume(Bucket(volume(settings, volume_id)))


def _without_empty(models: tuple[Model, ...]) -> tuple[Model, ...]:
    for model in models:
        if not model.size:
            click.echo(f"left alone  {model.name}: {EMPTY}; --overwrite sends it", err=True)
    return tuple(model for model in models if model.size)


def _send_archive(models: tuple[Model, ...], volume_id: str, *, dry_run: bool, keep: bool) -> None:
    program, archive = require_runpodctl(), extract_models.ARCHIVE.absolute()
    if dry_run:
        for model in models:
            click.echo(f"would send  {model.name}  {decimal(model.size)}")
        return
    Path(extract_models.THIS).write_text(extraction_script(), encoding="utf-8")
    with TransferDisplay(Console(stderr=True)) as display:
        display.expect(sum(model.size for model in models))
        write_archive(models, archive, lambda model: display.say(model.name), lambda count: display.advance("", count))
    asyncio.run(send(program, archive, lambda code: click.echo(instructions(code, volume_id))))
    if not keep:
        archive.unlink()
    click.echo("sent" + (f"; the archive is {archive}" if keep else ""))


@contextmanager
def _failing_in_one_line() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except _FAILURES as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("stopped; run the same command again to continue", err=True)
        sys.exit(130)
