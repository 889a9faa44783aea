"""Results whose names are odd: saved, shown and viewed as ComfyUI alone would do it."""

import pytest

from tests.support.prompts import inverted_image
from tests.support.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORED = {
    "shot 12:30": ("", "shot 12:30_00001_.png"),
    "%date:yyyy-MM-dd%/x": ("%date:yyyy-MM-dd%", "x_00001_.png"),
    "run 10:15:33/take 1": ("run 10:15:33", "take 1_00001_.png"),
    "clips\\x": ("", "clips_x_00001_.png"),
    "tab\tx": ("", "tab_x_00001_.png"),
    "line\nx": ("", "line_x_00001_.png"),
    'a "b"; c; d': ("", 'a "b"; c; d_00001_.png'),
    "cafe\u0301.": ("", "cafe\u0301._00001_.png"),
    "n" * 240: ("", "n" * 240 + "_00001_.png"),
}
"""prefix, and where its first picture is stored"""


@pytest.mark.parametrize("prefix", STORED, ids=ascii)
async def test_a_result_with_an_odd_name_is_saved_shown_and_viewed(stack: Stack, prefix: str) -> None:
    prompt = inverted_image(prefix=prefix) | {"4": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}}
    entry = await stack.history(await stack.queue_prompt(prompt))

    assert entry["status"]["status_str"] == "success", entry["status"]
    (saved,), (preview,) = entry["outputs"]["3"]["images"], entry["outputs"]["4"]["images"]
    assert (saved["subfolder"], saved["filename"]) == STORED[prefix]
    assert (stack.output / saved["subfolder"] / saved["filename"]).is_file()
    for item in (saved, preview):
        async with stack.session.get(f"{stack.url}/view", params=item) as picture:
            assert picture.status == 200
            assert (await picture.read()).startswith(b"\x89PNG")
