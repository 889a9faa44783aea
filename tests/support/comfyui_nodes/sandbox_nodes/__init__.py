"""The sandbox's own nodes, under the same names, for a real ComfyUI (0.3.64 and later).

Loaded by ComfyUI itself, through ``--extra-model-paths-config tests/support/comfyui_nodes.yaml``. What they do and say
must be what sandbox/comfyui/makers.py, special.py, films.py and loaders.py do and say.
"""

import hashlib
import struct
import time
import uuid

import comfy.model_management
import comfy.utils
import torch
from aiohttp import web
from comfy_execution.graph import ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder
from nodes import PreviewImage, SaveImage
from PIL import Image
from server import BinaryEventTypes, PromptServer

from .files import (
    SandboxCloud,
    SandboxFilm,
    SandboxFilmWithPicture,
    SandboxLeave,
    SandboxReadFile,
    SandboxReadFolder,
    SandboxReadPath,
    SandboxTriangle,
)
from .loaders import SandboxCheckpoint, SandboxLora

_PREVIEW_SIDE = 512
_TICK_S = 0.02
_SIZE = ("INT", {"default": 512, "min": 1, "max": 16384, "step": 1})
_SLOW = {
    "steps": ("INT", {"default": 10, "min": 1, "max": 10000}),
    "seconds_per_step": ("FLOAT", {"default": 0.3, "min": 0.0, "max": 60.0, "step": 0.01}),
}


def _picture(image, share):
    """The batch's first image, darkened to *share*."""
    return Image.fromarray((image[0].cpu().numpy() * 255.0 * share).clip(0, 255).astype("uint8"))


class SandboxNoise:
    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        seed = ("INT", {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF})
        return {"required": {"width": _SIZE, "height": _SIZE, "seed": seed}}

    def run(self, width, height, seed):
        generator = torch.Generator().manual_seed(seed)
        return (torch.rand((1, height, width, 3), generator=generator),)


class SandboxSlow:
    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), **_SLOW}}

    def run(self, image, steps, seconds_per_step):
        bar = comfy.utils.ProgressBar(steps)
        for step in range(1, steps + 1):
            until = time.monotonic() + seconds_per_step
            while (left := until - time.monotonic()) > 0:
                comfy.model_management.throw_exception_if_processing_interrupted()
                time.sleep(min(left, _TICK_S))
            bar.update_absolute(step, steps, ("JPEG", _picture(image, step / steps), _PREVIEW_SIDE))
        return (image,)


class SandboxFail:
    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "message": ("STRING", {"default": "boom"})}}

    def run(self, image, message):
        raise ValueError(message)


class SandboxExpand:
    """Becomes ImageInvert, SandboxSlow and PreviewImage; with a message SandboxFail comes before the preview."""

    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), **_SLOW, "message": ("STRING", {"default": ""})}}

    def run(self, image, steps, seconds_per_step, message):
        graph = GraphBuilder()
        last = graph.node("ImageInvert", image=image)
        last = graph.node("SandboxSlow", image=last.out(0), steps=steps, seconds_per_step=seconds_per_step)
        if message:
            last = graph.node("SandboxFail", image=last.out(0), message=message)
        graph.node("PreviewImage", images=last.out(0))
        return {"result": (last.out(0),), "expand": graph.finalize()}


class SandboxText:
    """Tells the page a text while it runs."""

    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        required = {"image": ("IMAGE",), "text": ("STRING", {"default": "working"})}
        return {"required": required, "hidden": {"unique_id": "UNIQUE_ID"}}

    def run(self, image, text, unique_id):
        PromptServer.instance.send_progress_text(text, unique_id)
        return (image,)


class SandboxTell(PreviewImage):
    """Says something to its script in the page: a message with files in it, and a frame."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", ("IMAGE",), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        required = {"image": ("IMAGE",), "note": ("STRING", {"default": ""})}
        return {"required": required, "hidden": {"unique_id": "UNIQUE_ID"}}

    def run(self, image, note, unique_id):
        shown = self.save_images(image)["ui"]
        PromptServer.instance.send_sync("sandbox-tell", {"node": unique_id, "note": note, **shown})
        frame = struct.pack(">I16s", 1, unique_id.encode()) + b"\xff\xd8\xff\xd9"
        PromptServer.instance.send_sync(BinaryEventTypes.PREVIEW_IMAGE, frame)
        return {"ui": shown, "result": (image,)}


ANSWERS = {}


@PromptServer.instance.routes.post("/sandbox/answer")
async def answer(request):
    body = await request.json()
    ANSWERS[str(body["node"])] = str(body["answer"])
    return web.json_response({})


class SandboxAsk:
    """Waits for a person, as image choosers do."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", ("STRING",), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        required = {"question": ("STRING", {"default": ""})}
        return {"required": required, "hidden": {"unique_id": "UNIQUE_ID"}}

    @classmethod
    def IS_CHANGED(cls, **_):
        return time.monotonic_ns()

    def run(self, question, unique_id):
        ANSWERS.pop(unique_id, None)
        PromptServer.instance.send_sync("sandbox-ask", {"node": unique_id, "question": question})
        while unique_id not in ANSWERS:
            comfy.model_management.throw_exception_if_processing_interrupted()
            time.sleep(_TICK_S)
        return {"ui": {"text": [ANSWERS[unique_id]]}, "result": (ANSWERS[unique_id],)}


class SandboxShowText:
    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", ("STRING",), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"default": ""})}}

    def run(self, text):
        return {"ui": {"text": [text]}, "result": (text,)}


class SandboxQueueAgain(SaveImage):
    """Saves the image, and queues the prompt once more until it has run *left* more times."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", (), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        required = {"image": ("IMAGE",), "left": ("INT", {"default": 2, "min": 0, "max": 1000})}
        return {"required": required, "hidden": {"unique_id": "UNIQUE_ID"}}

    def run(self, image, left, unique_id):
        if left:
            queue = PromptServer.instance.prompt_queue
            number, _, prompt, *rest = next(iter(queue.currently_running.values()))
            node = prompt[unique_id]
            again = {**prompt, unique_id: {**node, "inputs": {**node["inputs"], "left": left - 1}}}
            queue.put((number, str(uuid.uuid4()), again, *rest))
        return self.save_images(image, "again")


class SandboxOnPrompt:
    """Counts its number up when a prompt is posted, as wildcards and global seeds change theirs."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", ("INT",), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"number": ("INT", {"default": 10, "min": 0, "max": 1000})}}

    def run(self, number):
        return {"ui": {"text": [str(number)]}, "result": (number,)}


def _on_prompt(body):
    workflow = (body.get("extra_data") or {}).get("extra_pnginfo", {}).get("workflow", {})
    for node_id, node in body["prompt"].items():
        if node["class_type"] != "SandboxOnPrompt":
            continue
        node["inputs"]["number"] += 1
        for shown in workflow.get("nodes", ()):
            if str(shown["id"]) == node_id:
                shown["widgets_values"] = list(node["inputs"].values())
        PromptServer.instance.send_sync("sandbox-feedback", {"node": node_id, **node["inputs"]})
    return body


PromptServer.instance.add_on_prompt_handler(_on_prompt)


class SandboxBlock:
    """Stops what comes after it, with a message or silently."""

    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "message": ("STRING", {"default": ""})}}

    def run(self, image, message):
        return (ExecutionBlocker(message or None),)


class SandboxPartner:
    """Calls nothing: says where the prompt comes from, and whether there is a token of an account."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE, API_NODE = "sandbox", (), "run", True, True

    @classmethod
    def INPUT_TYPES(cls):
        hidden = {"auth_token": "AUTH_TOKEN_COMFY_ORG", "api_key": "API_KEY_COMFY_ORG", "source": "COMFY_USAGE_SOURCE"}
        return {"required": {"message": ("STRING", {"default": ""})}, "hidden": hidden}

    def run(self, message, auth_token=None, api_key=None, source=None):
        if message:
            raise ValueError(message)
        return {"ui": {"text": [source or "", "signed in" if auth_token or api_key else "signed out"]}}


class SandboxDigestText:
    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", ("STRING",), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"default": ""})}}

    def run(self, text):
        said = f"{len(text)} {hashlib.sha256(text.encode()).hexdigest()}"
        return {"ui": {"text": [said]}, "result": (said,)}


_NODES = (
    *(SandboxNoise, SandboxSlow, SandboxFail, SandboxExpand, SandboxText, SandboxTell, SandboxAsk, SandboxShowText),
    *(SandboxLeave, SandboxFilmWithPicture, SandboxCloud, SandboxCheckpoint, SandboxLora),
    *(SandboxBlock, SandboxPartner, SandboxFilm, SandboxReadFile, SandboxTriangle),
    *(SandboxQueueAgain, SandboxOnPrompt, SandboxDigestText, SandboxReadPath, SandboxReadFolder),
)

NODE_CLASS_MAPPINGS = {node.__name__: node for node in _NODES}
