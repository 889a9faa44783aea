"""What ComfyUI says of a class of nodes, as the page reads it: its inputs in the page's order, with the page's own.

Source: ComfyUI_frontend 1.49 src/schemas/nodeDef/migration.ts, src/workbench/utils/nodeDefOrderingUtil.ts, and
src/extensions/core, where the page adds a button or a player to a class.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

Info = Mapping[str, Any]
Infos = Mapping[str, Info | None]

_UPLOADS = ("image_upload", "video_upload", "animated_image_upload")
_WITH_PLAYER = frozenset(
    {"LoadAudio", "SaveAudio", "PreviewAudio", "SaveAudioMP3", "SaveAudioOpus", "SaveAudioAdvanced"}
)
_WITH_3D_VIEW = frozenset({"Preview3D", "SaveGLB"})


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a class."""

    name: str
    kind: str
    """``INT``, ``COMBO``, ``IMAGE,MASK``, …"""
    options: Mapping[str, Any]
    optional: bool = False

    @property
    def widget_kind(self) -> str:
        """The kind of its widget, if it has one: a union type names it apart."""
        return self.options.get("widgetType") or self.kind

    @property
    def choices(self) -> list[Any]:
        found = self.options.get("options")
        return found if isinstance(found, list) else []

    def named(self, name: str, *, optional: bool) -> "InputSpec":
        return replace(self, name=name, optional=optional)


def input_spec(name: str, spec: Any, *, optional: bool = False) -> InputSpec:
    """*spec* is ``[type, options]`` as ``/object_info`` has it; a bare list of choices is the old form of a combo."""
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    if isinstance(spec[0], list):
        return InputSpec(name, "COMBO", {**options, "options": spec[0]}, optional)
    return InputSpec(name, str(spec[0]), options, optional)


def input_specs(inputs: Any) -> list[InputSpec]:
    """The required and the optional inputs in ``{"required": {name: spec}, "optional": …}``."""
    groups = inputs if isinstance(inputs, dict) else {}
    return [
        input_spec(name, spec, optional=group == "optional")
        for group in ("required", "optional")
        for name, spec in (groups.get(group) or {}).items()
    ]


def page_inputs(kind: str, info: Info) -> list[InputSpec]:
    """The inputs of the class *kind* in the order in which the page makes their widgets."""
    declared = info.get("input") or {}
    required = dict(declared.get("required") or {})
    required |= dict(_of_the_page(kind, required))
    specs = {spec.name: spec for spec in input_specs({**declared, "required": required})}
    order = info.get("input_order")
    if not isinstance(order, dict):
        return list(specs.values())
    wanted = [(name, group == "optional") for group in ("required", "optional") for name in order.get(group) or ()]
    names = [name for name, optional in wanted if name in specs and specs[name].optional is optional]
    return [specs[name] for name in dict.fromkeys([*names, *specs])]


def _of_the_page(kind: str, required: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the page adds: uploadImage.ts, uploadAudio.ts, load3d.ts, saveMesh.ts, load3dAdvanced.ts."""
    uploaded = [spec for name, value in required.items() if _is_uploaded(spec := input_spec(name, value))]
    if uploaded:
        yield "upload", ["IMAGEUPLOAD", {}]
    if kind in _WITH_PLAYER:
        yield "audioUI", ["AUDIO_UI", {}]
    if "audio" in required and input_spec("audio", required["audio"]).options.get("audio_upload") is True:
        yield "upload", ["AUDIOUPLOAD", {}]
    if kind in _WITH_3D_VIEW:
        yield "image", ["PREVIEW_3D", {}]
    if kind == "Load3DAdvanced":
        yield "viewport_state", ["LOAD_3D_ADVANCED", {}]


def _is_uploaded(spec: InputSpec) -> bool:
    return spec.kind == "COMBO" and any(spec.options.get(upload) is True for upload in _UPLOADS)


def output_types(info: Info) -> list[str]:
    """The types of the outputs; one that follows an input's is ``*``."""
    found = info.get("output") or []
    kinds = ["COMBO" if isinstance(kind, list) else str(kind) for kind in found] if isinstance(found, list) else []
    return ["*" if kind == "COMFY_MATCHTYPE_V3" else kind for kind in kinds]
