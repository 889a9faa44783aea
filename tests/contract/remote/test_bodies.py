"""What can be asked while prompts wait and run, and what is answered to those that cannot run."""

from typing import Any

import pytest

from tests.contract.remote.cases import Post, Prompt, image, node, save, through
from tests.contract.remote.conftest import Sides
from tests.contract.remote.differences import (
    CLEARED,
    OLDER_QUEUE,
    OLDER_REFUSALS,
    QUEUE,
    REFUSALS,
    STORY,
    agreed,
    counts_previews,
    is_new,
)
from tests.contract.remote.normal import Normal
from tests.contract.remote.recording import Side, seen
from tests.contract.remote.test_runs import require_equal
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAITING = (
    Post(
        through(node("SandboxSlow", steps=1, seconds_per_step=60.0)),
        {"extra_data": {"extra_pnginfo": {"workflow": {"id": "w"}}}},
    ),
    Post(through(node("ImageInvert"))),
    Post(through(node("ImageInvert")), {"extra_data": {"auth_token_comfy_org": "secret", "own": [1, 2.5, None]}}),
)
_image = image()
_scale = {"upscale_method": "bilinear", "width": 8, "height": 8, "crop": "disabled"}


def scaled(**changes: Any) -> Prompt:
    """EmptyImage (1) → ImageScale (2) → SaveImage (3)."""
    return {"1": _image, "2": node("ImageScale", **{"image": ["1", 0], **_scale, **changes}), "3": save("2", "side/b")}


REFUSED: dict[str, dict[str, Any]] = {
    "no prompt": {},
    "an empty prompt": {"prompt": {}},
    "no output": {"prompt": {"1": _image}},
    "no such target": {"prompt": scaled(), "partial_execution_targets": ["1"]},
    "no class": {"prompt": {"1": {"inputs": {}}}},
    "value not in list": {"prompt": scaled(upscale_method="none such")},
    "too small": {"prompt": scaled(width=-1)},
    "too big": {"prompt": scaled(height=99999)},
    "no number": {"prompt": scaled(width="wide")},
    "wrong type": {"prompt": {"1": _image, "2": node("SandboxShowText", text=["1", 0])}},
    "a circle": {"prompt": scaled(image=["3", 0])},
    "no source": {"prompt": {key: one for key, one in scaled().items() if key != "1"}},
    "no input": {"prompt": {"1": _image, "3": node("SaveImage", images=["1", 0])}},
    "two errors": {"prompt": scaled(width=-1, upscale_method="none such")},
    "two outputs": {"prompt": {**scaled(width=-1), "4": save("2", "side/c")}},
}


async def look(side: Side, ids: list[str]) -> dict[str, Any]:
    queue = await side.get("/api/queue")
    found: dict[str, Any] = {
        "running": queue["queue_running"],
        "pending": sorted(queue["queue_pending"], key=lambda item: ids.index(item[1])),  # a heap natively
        "prompt": await side.get("/api/prompt"),
        "history": [await side.get(f"/history/{prompt_id}") for prompt_id in ids],
    }
    if side.has_jobs:
        found["jobs"] = (await side.get("/api/jobs?status=in_progress,pending&limit=200&offset=0"))["jobs"]
        found["a job"] = [await side.get(f"/api/jobs/{prompt_id}") for prompt_id in ids]
    return found


async def test_the_queue_and_the_jobs_while_one_runs_and_two_wait(sides: Sides) -> None:
    (local, told_local), (remote, told_remote) = [
        await seen(side, [{"prompt": post.prompt(side.folder), **post.more} for post in WAITING], look)
        for side in (sides.local, sides.remote)
    ]

    older = () if counts_previews(local.get("jobs", [])) else OLDER_QUEUE
    require_equal(*agreed((*QUEUE, *older), [local], [remote]))
    require_equal(*agreed((*STORY, *CLEARED), told_local, told_remote))


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
async def test_what_cannot_run_is_refused_in_the_same_words(sides: Sides, body: dict[str, Any]) -> None:
    local, remote = [Normal({}).value(await side.post("/prompt", body)) for side in (sides.local, sides.remote)]

    older = OLDER_REFUSALS if is_new(remote) and not is_new(local) else ()
    require_equal(*agreed(older or REFUSALS, [local], [remote]))


async def test_a_class_that_is_nowhere_is_refused_by_the_worker(sides: Sides) -> None:
    """Only the endpoint knows its classes: the answer to the POST cannot wait for it, so the node turns red later."""
    body = {"prompt": {**scaled(), "2": node("NoSuchClass", image=["1", 0])}}
    status, refused = await sides.local.post("/prompt", body)

    assert status == 400
    assert refused["error"]["type"] in ("missing_node_type", "invalid_prompt")  # the second before 0.33
    status, taken = await sides.remote.post("/prompt", body)

    assert status == 200

    async def ended() -> Any:
        return (await sides.remote.get(f"/history/{taken['prompt_id']}")).get(taken["prompt_id"])

    (*_, (kind, error)) = (await until(ended))["status"]["messages"]

    assert (kind, error["exception_type"]) == ("execution_error", "PromptRejected")
    assert "NoSuchClass" in error["exception_message"]
