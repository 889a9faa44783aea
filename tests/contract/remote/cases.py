"""The prompts whose local and remote runs are compared."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Prompt = dict[str, dict[str, Any]]
_WORKFLOW = {"extra_pnginfo": {"workflow": {"id": "598ca6f2-0000-4000-8000-000000000000", "nodes": []}}}
_colors = itertools.count(0x101010, 0x000305)


@dataclass(frozen=True)
class Post:
    """A body of POST /prompt without ids; *prompt* is made for the folder that its side saves in."""

    prompt: Callable[[str], Prompt]
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """Prompts that are posted one after the other; *together*: the next as soon as the one before runs."""

    name: str
    posts: tuple[Post, ...]
    together: bool = False
    page: Literal["modern", "old"] = "modern"
    client: Literal["page", "nobody", "elsewhere"] = "page"
    """who posts: the page that listens, a program without a client id, or one without a socket"""
    stop: Literal["", "id", "whatever runs", "job"] = ""
    """how the last prompt is stopped"""
    stop_at: str = "2"
    """the node that must run by then"""


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def image(size: int = 64, batch: int = 1) -> dict[str, Any]:
    return node("EmptyImage", width=size, height=size // 2, batch_size=batch, color=next(_colors))


def save(source: str, prefix: str) -> dict[str, Any]:
    return node("SaveImage", filename_prefix=prefix, images=[source, 0])


def preview(source: str) -> dict[str, Any]:
    return node("PreviewImage", images=[source, 0])


def slow(source: str, steps: int = 1, seconds: float = 60.0) -> dict[str, Any]:
    return node("SandboxSlow", image=[source, 0], steps=steps, seconds_per_step=seconds)


def through(*middle: dict[str, Any], size: int = 64, batch: int = 1) -> Callable[[str], Prompt]:
    """An image (1), *middle* (2…, each fed by the one before), a SaveImage (8) and a PreviewImage (9)."""
    first = image(size, batch)

    def made(folder: str) -> Prompt:
        nodes = {
            str(2 + at): {**one, "inputs": {"image": [str(1 + at), 0], **one["inputs"]}}
            for at, one in enumerate(middle)
        }
        last = str(1 + len(middle))
        return {"1": first, **nodes, "8": save(last, f"{folder}/p"), "9": preview(last)}

    return made


def fixed(**nodes: dict[str, Any]) -> Callable[[str], Prompt]:
    """The nodes, whose names are ``n`` and their id."""
    return lambda _: {name.removeprefix("n"): one for name, one in nodes.items()}


def _scaled_twice() -> tuple[Post, Post]:
    first = image()

    def scaled(width: int) -> Callable[[str], Prompt]:
        scale = node("ImageScale", image=["1", 0], upscale_method="bilinear", width=width, height=8, crop="disabled")
        return lambda folder: {"1": first, "2": scale, "3": save("2", f"{folder}/s"), "4": preview("1")}

    return Post(scaled(8)), Post(scaled(16))


def _half_invalid() -> Callable[[str], Prompt]:
    first = image()
    wrong = node("ImageScale", image=["1", 0], upscale_method="none such", width=8, height=8, crop="disabled")
    return lambda folder: {"1": first, "2": wrong, "3": save("2", f"{folder}/w"), "4": save("1", f"{folder}/r")}


def _film(folder: str) -> Prompt:
    return {"1": node("SandboxFilmWithPicture", filename_prefix=f"{folder}/v")}


def _quiet(folder: str) -> Prompt:
    return {"1": node("SandboxLeave", text="quiet", folder="output", name=f"{folder}/quiet.txt")}


def _cloud(folder: str) -> Prompt:
    return {"1": node("SandboxCloud", name=f"of {folder}")}


_STEPS = {"steps": 4, "seconds_per_step": 0.05}
_counted_up = fixed(n1=image(), n2=node("SandboxOnPrompt", number=10), n3=preview("1"))
_COUNTED = {"extra_pnginfo": {"workflow": {"nodes": [{"id": 1}, {"id": 2, "widgets_values": [10]}]}}}
_same = through(node("ImageInvert"))
_expanding = through(node("SandboxExpand", **_STEPS, message=""))
_failing_late = fixed(
    n1=image(),
    n2=preview("1"),
    n3=slow("1", 2, 0.05),
    n4=node("SandboxFail", image=["3", 0], message="no"),
    n5=preview("4"),
)
_waits = through(node("SandboxSlow", steps=1, seconds_per_step=60.0))

CASES = (
    Case("saved and previewed", (Post(through(node("ImageInvert")), {"extra_data": _WORKFLOW}),)),
    Case("a batch", (Post(through(node("ImageInvert"), batch=3)),)),
    Case("steps with pictures", (Post(through(node("SandboxSlow", **_STEPS))),)),
    Case("steps with pictures on an old page", (Post(through(node("SandboxSlow", **_STEPS))),), page="old"),
    Case("many fast steps", (Post(through(node("SandboxSlow", steps=200, seconds_per_step=0.0))),)),
    Case("two slow nodes", (Post(through(node("SandboxSlow", **_STEPS), node("SandboxSlow", **_STEPS))),)),
    Case("the same again", (Post(_same), Post(_same))),
    Case("half of it again", _scaled_twice()),
    Case("an error", (Post(through(node("SandboxFail", message="it went wrong"))),)),
    Case("an error after outputs", (Post(_failing_late),)),
    Case("an error, and the same again", (Post(_failing_late), Post(_failing_late))),
    Case("stopped by id", (Post(_waits),), stop="id"),
    Case("stopped, whatever runs", (Post(_waits),), stop="whatever runs"),
    Case(
        "stopped after steps",
        (Post(through(node("SandboxSlow", **_STEPS), node("SandboxSlow", steps=1, seconds_per_step=60.0))),),
        stop="id",
        stop_at="3",
    ),
    Case("stopped as a job", (Post(_waits),), stop="job"),
    Case("a node that becomes several", (Post(_expanding),)),
    Case("a node that became several, again", (Post(_expanding), Post(_expanding))),
    Case("an error inside", (Post(through(node("SandboxExpand", **_STEPS, message="inside"))),)),
    Case(
        "stopped inside",
        (Post(through(node("SandboxExpand", steps=1, seconds_per_step=60.0, message=""))),),
        stop="id",
        stop_at="2.0.0.2",
    ),
    Case("a text while it runs", (Post(through(node("SandboxText", text="halb fertig – ½"))),)),
    Case("messages of a node's own", (Post(through(node("SandboxTell", note="häl<l>o"))),)),
    Case("a film and the picture beside it", (Post(_film),)),
    Case("a file without a word", (Post(_quiet),)),
    Case("a cloud in the temp folder", (Post(_cloud),)),
    Case("a prompt that a node changes when it is posted", (Post(_counted_up, {"extra_data": _COUNTED}),)),
    Case("a text as output", (Post(fixed(n1=node("SandboxShowText", text="hällo"))),)),
    Case("blocked with a reason", (Post(through(node("SandboxBlock", message="not today"), node("ImageInvert"))),)),
    Case("blocked silently", (Post(through(node("SandboxBlock", message=""), node("ImageInvert"))),)),
    Case("one output of two", (Post(through(node("ImageInvert")), {"partial_execution_targets": ["9"]}),)),
    Case("one output invalid", (Post(_half_invalid()),)),
    Case("posted by nobody", (Post(through(node("SandboxSlow", **_STEPS))),), client="nobody"),
    Case("stopped, posted by nobody", (Post(_waits),), client="nobody", stop="id"),
    Case("posted by nobody, again", (Post(_same), Post(_same)), client="nobody"),
    Case("posted from elsewhere", (Post(through(node("SandboxSlow", **_STEPS))),), client="elsewhere"),
    Case(
        "two together",
        (Post(through(node("SandboxSlow", steps=1, seconds_per_step=1.0))), Post(through(node("ImageInvert")))),
        together=True,
    ),
)
