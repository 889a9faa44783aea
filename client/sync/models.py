"""The models of this machine: what lies in ComfyUI's models folder and in the folders that it is told of besides."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from client.sync.layout import ModelFolder, extra_sources, is_model, is_wanted
from client.sync.manifest import Content
from wire import yaml_text
from wire.names import NameRefused, confined_path
from wire.plain_text import one_line

_EXTRA = "extra_model_paths.yaml"


class ModelsUnreadable(Exception):
    """A folder or a file of models cannot be read; the text names it."""


@dataclass(frozen=True, slots=True)
class Model:
    """A file; *name* is its path below the volume's models folder."""

    name: str
    path: Path
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Found:
    """*remarks* are sentences about what was left out."""

    models: tuple[Model, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hashed:
    """A model whose content is known."""

    model: Model
    content: Content


def find_models(local: Path, extra: Iterable[Path], include: tuple[str, ...], exclude: tuple[str, ...]) -> Found:
    """The models of a ComfyUI checkout or models folder, and the ones that the files *extra* name.

    Raises ModelsUnreadable.
    """
    found: dict[str, Model] = {}
    remarks: list[str] = []
    for source in _sources(local, extra):
        folder = Path(source.folder)
        if not folder.is_dir():
            remarks.append(f"skipped: {folder} does not exist")
            continue
        for model in _files(folder, source.target, remarks):
            if not is_wanted(model.name, include, exclude):
                continue
            first = found.setdefault(model.name, model)
            if first is not model and not first.path.samefile(model.path):
                remarks.append(f"skipped: {model.path}, because {first.path} is sent as {model.name}")
    return Found(tuple(found[name] for name in sorted(found)), tuple(remarks))


def _sources(local: Path, extra: Iterable[Path]) -> Iterator[ModelFolder]:
    if not local.is_dir():
        raise ModelsUnreadable(f"{local}: no such folder")
    checkout = next((folder for folder in (local, local.parent) if (folder / "main.py").is_file()), None)
    models = local / "models" if checkout == local and (local / "models").is_dir() else local
    yield ModelFolder(str(models), "")
    known = [checkout / _EXTRA] if checkout and (checkout / _EXTRA).is_file() else []
    for file in (*known, *extra):
        yield from _named_in(file)


def _named_in(file: Path) -> Iterator[ModelFolder]:
    try:
        with file.open(encoding="utf-8") as opened:
            value = yaml_text.loads(opened.read(yaml_text.TEXT_MAX + 1))
        for source in extra_sources(value):
            folder = Path(os.path.expandvars(source.folder)).expanduser()
            yield ModelFolder(str(file.resolve().parent / folder), source.target)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a ~user that does not exist
        raise ModelsUnreadable(f"{file}: {one_line(str(error))}") from error


def _files(folder: Path, target: str, remarks: list[str]) -> Iterator[Model]:
    """Links are followed, as ComfyUI does; a folder that contains itself is entered once."""
    entered = set[Path]()
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=_raise):
        real = Path(parent).resolve()
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            relative = path.relative_to(folder).as_posix()
            if is_model(relative) and (model := _model(path, f"{target}/{relative}" if target else relative, remarks)):
                yield model


def _model(path: Path, name: str, remarks: list[str]) -> Model | None:
    try:
        confined_path(name)
        status = path.stat()
    except NameRefused:
        remarks.append(f"skipped: {path}, whose name does not work on every system")
        return None
    except FileNotFoundError:
        remarks.append(f"skipped: {path}, a broken link")
        return None
    except OSError as error:
        raise ModelsUnreadable(f"{path}: {error.strerror}") from error
    return Model(name, path, status.st_size, status.st_mtime_ns)


def _raise(error: OSError) -> None:
    raise ModelsUnreadable(f"{error.filename}: {error.strerror}") from error


def is_unchanged(model: Model) -> bool:
    """Whether the file is still the one that was found."""
    status = model.path.stat()
    return (status.st_size, status.st_mtime_ns) == (model.size, model.modified_ns)
