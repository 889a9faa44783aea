"""The widgets that the page makes for an input: one table of kinds, with what of them is saved and what is sent.

Source: ComfyUI_frontend 1.49 src/scripts/widgets.ts, src/renderer/extensions/vueNodes/widgets/composables/use*Widget.ts
and src/extensions/core (uploadAudio.ts, load3d.ts, saveMesh.ts, load3dAdvanced.ts, webcamCapture.ts).
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from client.workflow.definition import InputSpec


class GraphUnconvertible(ValueError):
    """The graph cannot become a prompt as the page would send it; the text names the node."""


class GraphBroken(GraphUnconvertible):
    """The file is not what any page saves, so no page is asked what it means either."""


class _Unset:
    """JavaScript's undefined: what JSON leaves out."""

    def __repr__(self) -> str:
        return "nothing"


UNSET: Final = _Unset()
AFTER_A_RUN = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
MADE_IN_THE_PAGE = frozenset({"LOAD_3D", "LOAD_3D_ADVANCED", "WEBCAM"})
"""kinds whose value is a picture that the page takes when Run is pressed"""
_SEEDS = ("seed", "noise_seed")
_BOX = {"x": 0, "y": 0, "width": 512, "height": 512}
_CURVE = {"points": [[0, 0], [1, 1]], "interpolation": "monotone_cubic"}


@dataclass(slots=True)
class Widget:
    """A widget of one node."""

    name: str
    kind: str
    """the kind of its input; or ``control``, ``filter``, ``button``, ``part``, ``shim``, which are the page's own"""
    value: Any = UNSET
    saved: bool = True
    """whether the file has a value for it"""
    sent: bool = True
    """whether the prompt has its value"""
    spec: InputSpec | None = None

    @property
    def is_combo(self) -> bool:
        return self.kind in ("COMBO", "COMFY_DYNAMICCOMBO_V3", "control")


def made_for(spec: InputSpec) -> list[Widget]:
    """The widgets of an input, its own first; empty where the input is only a socket."""
    maker = KINDS.get(spec.widget_kind)
    return maker(spec) if maker is not None and not spec.options.get("forceInput") else []


def _plain(default: Any) -> Callable[[InputSpec], list[Widget]]:
    def made(spec: InputSpec) -> list[Widget]:
        value = spec.options.get("default")
        return [Widget(spec.name, spec.widget_kind, deepcopy(default if value is None else value), spec=spec)]

    return made


def _nested(key: str, default: Any) -> Callable[[InputSpec], list[Widget]]:
    """A widget whose default stands in the options of its options."""

    def made(spec: InputSpec) -> list[Widget]:
        options = spec.options.get("options")
        value = options.get(key) if isinstance(options, dict) else None
        return [Widget(spec.name, spec.widget_kind, deepcopy(value or default), spec=spec)]

    return made


def _int(spec: InputSpec) -> list[Widget]:
    """A seed is followed by what happens to it after a run, unless its definition says no."""
    control = spec.options.get("control_after_generate")
    wanted = spec.name in _SEEDS if control is None else control
    return [*_plain(0)(spec), *([_control(control, "randomize")] if wanted else ())]


def _float(spec: InputSpec) -> list[Widget]:
    wanted = spec.options.get("control_after_generate")
    return [*_plain(0)(spec), *([_control("fixed", "fixed")] if wanted else ())]


def _combo(spec: InputSpec) -> list[Widget]:
    control = spec.options.get("control_after_generate")
    several = spec.options.get("multi_select") not in (None, False)
    own = Widget(spec.name, "MULTISELECT" if several else "COMBO", [] if several else _chosen(spec), spec=spec)
    own_and_remote = [own, *_remote(spec)]
    if not control:
        return own_and_remote
    filters = [] if several else [Widget("control_filter_list", "filter", "", sent=False)]
    return [*own_and_remote, _control(control, "fixed" if several else "randomize"), *filters]


def _remote(spec: InputSpec) -> list[Widget]:
    """Choices that come from a route have a switch and a button to load them again: useRemoteWidget.ts."""
    remote = spec.options.get("remote")
    if not isinstance(remote, dict):
        return []
    button = [Widget("refresh", "button", "refresh")] if remote.get("refresh_button") else []
    return [Widget("Auto-refresh after generation", "button", value=False, sent=False), *button]


def _chosen(spec: InputSpec) -> Any:
    first = spec.choices[0] if spec.choices else "Loading..." if spec.options.get("remote") else UNSET
    return spec.options.get("default") or first


def _dynamic_combo(spec: InputSpec) -> list[Widget]:
    """Its value decides which inputs follow it; the node adds them."""
    keys = [option["key"] for option in spec.choices]
    return [Widget(spec.name, "COMFY_DYNAMICCOMBO_V3", keys[0] if keys else UNSET, spec=spec)]


def _control(name: Any, default: str) -> Widget:
    value = name if isinstance(name, str) else default
    return Widget(name if isinstance(name, str) else "control_after_generate", "control", value, sent=False)


def _button(value: str) -> Callable[[InputSpec], list[Widget]]:
    return lambda spec: [Widget(spec.name, "button", value, sent=False)]


def _bounding_box(spec: InputSpec) -> list[Widget]:
    own = _plain(_BOX)(spec)
    return [*own, *(Widget(part, "part", own[0].value.get(part), sent=False) for part in _BOX)]


def _video_edit(spec: InputSpec) -> list[Widget]:
    features = spec.options.get("features") or ["trim", "crop"]
    parts = {"trim": {"start_time": 0, "duration": 0}, "crop": {"x": 0, "y": 0, "width": 0, "height": 0}}
    return _plain({name: value for name, value in parts.items() if name in features})(spec)


def _player(spec: InputSpec) -> list[Widget]:
    return [Widget(spec.name, "button", "", saved=False, sent=False)]


def _recorder(spec: InputSpec) -> list[Widget]:
    """A recording is made in the page; a file has none."""
    return [Widget(spec.name, "AUDIO_RECORD", ""), Widget(spec.name, "button", "", sent=False)]


def _view(spec: InputSpec) -> list[Widget]:
    return [Widget("viewport_state" if spec.widget_kind == "LOAD_3D_ADVANCED" else "image", spec.widget_kind, "")]


def _compared(spec: InputSpec) -> list[Widget]:
    return [Widget(spec.name, "IMAGECOMPARE", ["", ""], saved=False)]


KINDS: Mapping[str, Callable[[InputSpec], list[Widget]]] = {
    "INT": _int,
    "FLOAT": _float,
    "BOOLEAN": _plain(False),
    "STRING": _plain(""),
    "MARKDOWN": _plain(""),
    "COMBO": _combo,
    "COMFY_DYNAMICCOMBO_V3": _dynamic_combo,
    "COLOR": _plain("#000000"),
    "TEXTAREA": _nested("default", ""),
    "BOUNDING_BOX": _bounding_box,
    "BOUNDING_BOXES": _plain([]),
    "COLORS": _plain([]),
    "CURVE": _plain(_CURVE),
    "RANGE": _plain({"min": 0.0, "max": 1.0}),
    "VIDEO_EDIT": _video_edit,
    "PAINTER": _plain(""),
    "COMPOSITOR": _plain({}),
    "CHART": _nested("data", {}),
    "GALLERIA": _nested("images", []),
    "IMAGECOMPARE": _compared,
    "IMAGEUPLOAD": _button("image"),
    "AUDIOUPLOAD": _button(""),
    "AUDIO_UI": _player,
    "AUDIO_RECORD": _recorder,
    "WEBCAM": _plain(""),
    "LOAD_3D": _view,
    "LOAD_3D_ADVANCED": _view,
    "PREVIEW_3D": _view,
}
"""what the page has a widget for; every other kind is a socket"""
