"""Sides: the node definitions of both ComfyUIs, the one of this machine and the one that runs a prompt. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from engine.prompt.node_check import Infos, Lists, is_core
from wire.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Sides:
    """What judges a prompt.

    *infos* holds the definitions that count, by class: the endpoint's where it has the class, else this machine's, and
    None where nobody has it. *known* is empty while nothing is known of the endpoint.
    """

    infos: Infos
    local: Infos
    known: Catalog = field(default_factory=Catalog)
    is_current: bool = False
    """whether *known* may refuse a prompt; what is old, or comes from the image's build, only warns"""
    local_version: str = ""
    """of this machine's ComfyUI; empty when nobody asked"""
    on_their_way: Mapping[str, Collection[str]] = field(default_factory=dict)
    """models by kind that a worker fetches before the prompt runs"""

    @classmethod
    def here_only(cls, infos: Infos) -> Self:
        """While nothing is known of the endpoint."""
        return cls(infos, infos)

    @property
    def here_first(self) -> Infos:
        """This machine's definitions, and the endpoint's of classes that only the endpoint has.

        They say which folders of this machine a choice names, and which nodes get the tokens of an account: that is not
        for a worker to decide.
        """
        return {kind: merged if (info := self.local.get(kind)) is None else info for kind, merged in self.infos.items()}

    def unjudged(self) -> "Sides":
        """The same, where what only the endpoint's definitions say no longer refuses."""
        return replace(self, is_current=False)

    @property
    def lists(self) -> Lists:
        """The lists of the endpoint, with the models that are on their way to it."""
        kinds = {kind for by_input in self._model_inputs().values() for kind in by_input.values()}
        models = {kind: {*self.known.models.get(kind, ()), *self.on_their_way.get(kind, ())} for kind in kinds}
        classes = frozenset(kind for kind in self.infos if self.has(kind))
        return Lists(classes, self._model_inputs(), models)

    def _model_inputs(self) -> Mapping[str, Mapping[str, str]]:
        return {kind: self.known.model_inputs[kind] for kind in self.infos if kind in self.known.model_inputs}

    @property
    def knows_classes(self) -> bool:
        """Whether it is known which classes the endpoint has."""
        return bool(self.known.nodes)

    def has(self, class_type: str) -> bool:
        """Whether the endpoint has the class, as far as anybody knows."""
        return class_type in self.known.nodes

    def lacks(self, class_type: str) -> bool:
        """Whether it is known that the endpoint does not have the class."""
        return self.knows_classes and not self.has(class_type)

    def may_rename(self, class_type: str) -> bool:
        """Whether the endpoint's ComfyUI may still run a class that it does not list: a newer one replaces old names.

        Source: ComfyUI 0.33.0, comfy_extras/nodes_replacements.py.
        """
        local = self.local.get(class_type)
        newer = _version(self.known.comfyui) > _version(self.local_version) > ()
        return local is not None and is_core(local) and newer


def _version(text: str) -> tuple[int, ...]:
    """Its numbers, empty when it has another form than ``0.33.0``."""
    parts = text.removeprefix("v").split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts) else ()
