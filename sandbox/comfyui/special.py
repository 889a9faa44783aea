"""Nodes that only the sandbox has: to be slow, to fail, to be large, to become others, to say something.

The same nodes for a real ComfyUI are in tests/support/comfyui_nodes.
"""

import math
import random
import struct
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from PIL import Image

from sandbox.comfyui.folders import save_path
from sandbox.comfyui.node import Blocked, Context, Images, NodeClass, Result
from sandbox.comfyui.savers import preview_image, save_image

_TICK_S = 0.02
_TINY = b"\xff\xd8\xff\xd9"
"""the beginning and the end of a JPEG"""


def noise(_: Context, width: int, height: int, seed: int) -> Result:
    return Result(([Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))],))  # noqa: S311


def slow(context: Context, image: Images, steps: int, seconds_per_step: float) -> Result:
    """Real progress with previews, and it can be stopped at any time."""
    for step in range(1, steps + 1):
        until = time.monotonic() + seconds_per_step
        while (left := until - time.monotonic()) > 0:
            context.check()
            time.sleep(min(left, _TICK_S))
        context.progress(step, steps, image[0].point(lambda value, done=step / steps: int(value * done)))
    return Result((image,))


def fail(_: Context, image: Images, message: str) -> Result:
    raise ValueError(message)


def tone(_: Context, seconds: float, frequency: float) -> Result:
    rate = 8000
    samples = [math.sin(2 * math.pi * frequency * at / rate) / 2 for at in range(int(seconds * rate))]
    return Result(({"samples": samples, "sample_rate": rate},))


def expand(context: Context, image: Images, steps: int, seconds_per_step: float, message: str) -> Result:
    """Ids as ComfyUI's GraphBuilder gives them (comfy_execution/graph_utils.py)."""
    graph: dict[str, Any] = {}

    def add(kind: str, **inputs: Any) -> list[Any]:
        node_id = f"{context.node_id}.0.0.{len(graph) + 1}"
        graph[node_id] = {"class_type": kind, "inputs": inputs}
        return [node_id, 0]

    last = add("ImageInvert", image=image)
    last = add("SandboxSlow", image=last, steps=steps, seconds_per_step=seconds_per_step)
    if message:
        last = add("SandboxFail", image=last, message=message)
    add("PreviewImage", images=last)
    return Result((last,), expand=graph)


def say(context: Context, image: Images, text: str) -> Result:
    context.text(text)
    return Result((image,))


def tell(context: Context, image: Images, note: str) -> Result:
    """As nodes with a script of their own in the page do: a message with files in it, and a frame."""
    shown = preview_image(context, image)
    context.send("sandbox-tell", {"node": context.node_id, "note": note, **(shown.ui or {})})
    context.send_frame(struct.pack(">II16s", 1, 1, context.node_id.encode()) + _TINY)
    return Result((image,), ui=shown.ui)


def leave(context: Context, text: str, folder: str, name: str) -> Result:
    """Writes a file and says nothing of it, as many savers of texts do; an absolute *name* leads anywhere."""
    path = context.folders.of(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return Result()


def film_with_picture(context: Context, filename_prefix: str) -> Result:
    """As VideoHelperSuite's Video Combine: a film, the picture with its metadata, and a film without sound, which only
    its number tells of (videohelpersuite/nodes.py, ``combine_video``).
    """
    where = save_path(context.folders.output, filename_prefix, 0, 0, datetime.now())
    names = [f"{where.prefix}_{where.counter:05}{rest}" for rest in (".png", ".mp4", "-audio.mp4")]
    for name in names:
        (where.folder / name).write_text(name, encoding="utf-8")
    item = {"filename": names[2], "subfolder": where.subfolder, "type": "output", "format": "video/h264-mp4"}
    shown = {**item, "workflow": names[0], "fullpath": str(where.folder / names[2])}
    return Result(ui={"gifs": [shown]})


def cloud(context: Context, name: str) -> Result:
    """As ComfyUI's 3D previews: a model and a background in the temp folder, named by paths."""
    model, background = f"preview_{name}.ply", f"bg_{name}.png"
    for file in (model, background):
        (context.folders.temp / file).write_text(file, encoding="utf-8")
    return Result(ui={"result": [model, None, f"temp/{background}"]})


def queue_again(context: Context, image: Images, left: int) -> Result:
    """Saves the image, and queues the prompt once more until it has run *left* more times."""
    if left:
        nodes = {
            node_id: {**node, "inputs": {**node["inputs"], "left": left - 1}} if node_id == context.node_id else node
            for node_id, node in context.prompt.items()
        }
        context.queue(nodes)
    return save_image(context, image, "again")


def show_number(_: Context, number: int) -> Result:
    return Result((number,), ui={"text": [str(number)]})


def show_text(_: Context, text: str) -> Result:
    return Result((text,), ui={"text": [text]})


def partner(context: Context, message: str) -> Result:
    """As a partner node does, but for the paid call: says where the prompt comes from, and whether there is a token."""
    if message:
        raise ValueError(message)
    hidden = context.hidden
    signed_in = bool(hidden["auth_token"] or hidden["api_key"])
    return Result(ui={"text": [hidden["source"] or "", "signed in" if signed_in else "signed out"]})


def block(_: Context, image: Images, message: str) -> Result:
    return Result((Blocked(message or None),))


def _own(
    name: str, run: Any, required: Mapping[str, Any], outputs: tuple[str, ...] = ("IMAGE",), **more: Any
) -> NodeClass:
    return NodeClass(name, run, required, outputs, category="sandbox", module="custom_nodes.sandbox", **more)


_SIZE = ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}]
_SLOW = {
    "steps": ["INT", {"default": 10, "min": 1, "max": 10000}],
    "seconds_per_step": ["FLOAT", {"default": 0.3, "min": 0.0, "max": 60.0, "step": 0.01}],
}

SPECIAL = (
    _own(
        "SandboxNoise",
        noise,
        {"width": _SIZE, "height": _SIZE, "seed": ["INT", {"default": 0, "min": 0, "max": 18446744073709551615}]},
    ),
    _own(
        "SandboxSlow",
        slow,
        {"image": ["IMAGE"], **_SLOW},
    ),
    _own("SandboxFail", fail, {"image": ["IMAGE"], "message": ["STRING", {"default": "boom"}]}),
    _own(
        "SandboxTone",
        tone,
        {
            "seconds": ["FLOAT", {"default": 1.0, "min": 0.1, "max": 60.0}],
            "frequency": ["FLOAT", {"default": 440.0, "min": 1.0, "max": 4000.0}],
        },
        ("AUDIO",),
    ),
    _own("SandboxExpand", expand, {"image": ["IMAGE"], **_SLOW, "message": ["STRING", {"default": ""}]}),
    _own("SandboxText", say, {"image": ["IMAGE"], "text": ["STRING", {"default": "working"}]}),
    _own("SandboxTell", tell, {"image": ["IMAGE"], "note": ["STRING", {"default": ""}]}, output_node=True),
    _own(
        "SandboxLeave",
        leave,
        {
            "text": ["STRING", {"default": "left"}],
            "folder": [["output", "input"], {}],
            "name": ["STRING", {"default": "left.txt"}],
        },
        (),
        output_node=True,
    ),
    _own(
        "SandboxFilmWithPicture",
        film_with_picture,
        {"filename_prefix": ["STRING", {"default": "clips/v"}]},
        (),
        output_node=True,
    ),
    _own("SandboxCloud", cloud, {"name": ["STRING", {"default": "cloud"}]}, (), output_node=True),
    _own("SandboxShowText", show_text, {"text": ["STRING", {"default": ""}]}, ("STRING",), output_node=True),
    _own(
        "SandboxQueueAgain",
        queue_again,
        {"image": ["IMAGE"], "left": ["INT", {"default": 2, "min": 0, "max": 1000}]},
        (),
        output_node=True,
    ),
    _own(
        "SandboxOnPrompt",
        show_number,
        {"number": ["INT", {"default": 10, "min": 0, "max": 1000}]},
        ("INT",),
        output_node=True,
        on_prompt=lambda inputs: {"number": inputs["number"] + 1},
    ),
    _own(
        "SandboxPartner",
        partner,
        {"message": ["STRING", {"default": ""}]},
        (),
        output_node=True,
        hidden={"auth_token": "AUTH_TOKEN_COMFY_ORG", "api_key": "API_KEY_COMFY_ORG", "source": "COMFY_USAGE_SOURCE"},
        api_node=True,
    ),
    _own("SandboxBlock", block, {"image": ["IMAGE"], "message": ["STRING", {"default": ""}]}),
)
