"""The box of the page with its buttons, in a browser, on a page without ComfyUI: what each button does."""

from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.browser import chromium
from tests.support.page_scripts import ScriptBed

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]
FROM = {"url": "https://huggingface.co/a/b.safetensors", "host": "huggingface.co", "size": None}
BASE = {"node_id": "4", "class_type": "CheckpointLoaderSimple", "input": "ckpt_name", "kind": "checkpoints"}


def model(name: str = "base.safetensors", **more: Any) -> dict[str, Any]:
    return {**BASE, "name": name, "here": False, "size": None, "fetch": None, "command": "", **more}


def refused(*models: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {"prompt_id": None, "refused": True, "can_run_anyway": False, "text": "The endpoint has no such model."}
    return {**told, "models": list(models), "classes": [], "differences": [], **more}


def fetches(size: int = 6_500_000_000, to: str = "volume") -> tuple[int, Any]:
    cost = {"host": "huggingface.co", "size": size, "to": to, "minutes": 2.2, "cost_usd": 0.031}
    return 200, {"models": [cost], "text": ""}


async def test_a_button_says_its_price_before_it_is_pressed(scripts: ScriptBed) -> None:
    scripts.answers["models/send"] = 200, {"size": 6_500_000_000, "minutes": 9.4, "text": "", "started": False}
    scripts.answers["models/fetch"] = fetches()
    await scripts.show(refused(model(here=True, size=6_500_000_000, fetch=FROM, command="scripts/sync-models.py base")))

    assert await scripts.buttons() == [
        "Send mine (6.5 GB, about 9 min)",
        "Let the worker fetch it from huggingface.co (6.5 GB, about 2 min, ~$0.03)",
        "Copy the command",
    ]
    assert scripts.done == []


async def test_a_model_that_the_worker_may_fetch_is_agreed_on_and_the_prompt_runs_again(scripts: ScriptBed) -> None:
    scripts.answers["models/fetch"] = fetches()
    await scripts.show(refused(model(fetch={**FROM, "sha256": "ab"})))
    await scripts.button("Let the worker").click()
    await expect(scripts.box).to_be_hidden()

    wanted = {"kind": "checkpoints", "name": "base.safetensors", "url": FROM["url"], "sha256": "ab"}
    assert scripts.done == [("models/fetch", {"models": [wanted]})]
    assert await scripts.runs() == 1


async def test_a_prompt_that_already_runs_is_not_run_again(scripts: ScriptBed) -> None:
    scripts.answers["models/fetch"] = fetches()
    await scripts.show(refused(model(fetch=FROM), refused=False, prompt_id="p"))
    await scripts.button("Let the worker").click()
    await expect(scripts.box).to_contain_text("fetches it before the next run")

    assert len(scripts.done) == 1
    assert await scripts.runs() == 0


async def test_one_of_two_models_is_not_enough_to_run(scripts: ScriptBed) -> None:
    scripts.answers["models/fetch"] = fetches()
    await scripts.show(refused(model("a.safetensors", fetch=FROM), model("b.safetensors", kind="vae", fetch=FROM)))
    await scripts.button("Let the worker fetch it").first.click()
    await expect(scripts.box).to_contain_text("fetches it before the next run")
    before = await scripts.runs()
    await scripts.button("Let the worker fetch it").click()
    await expect(scripts.box).to_be_hidden()

    assert before == 0
    assert await scripts.runs() == 1


async def test_several_models_are_one_question_with_one_price(scripts: ScriptBed) -> None:
    scripts.answers["models/fetch"] = fetches(size=4_133_000_000)
    names = ["a.safetensors", "b.safetensors", "c.safetensors"]
    await scripts.show(
        refused(*(model(name, fetch=FROM) for name in names), model("a.safetensors", node_id="7", fetch=FROM))
    )
    await scripts.button("Let the worker fetch all 3 (12.4 GB, about 7 min, ~$0.09)").click()
    await expect(scripts.box).to_be_hidden()

    assert [[one["name"] for one in body["models"]] for _, body in scripts.done] == [names]
    assert await scripts.runs() == 1


async def test_an_upload_shows_how_far_it_is_and_then_offers_to_run(scripts: ScriptBed) -> None:
    scripts.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await scripts.show(refused(model(here=True, size=100_000_000)))
    await scripts.button("Send mine").click()
    await scripts.transfer(done=50_000_000, size=100_000_000)
    await expect(scripts.box).to_contain_text("Sending: 50 MB of 100 MB")
    share = await scripts.box.locator("progress").evaluate("(bar) => bar.value")
    await scripts.transfer(done=100_000_000, size=100_000_000, ended=True)
    await expect(scripts.box).to_contain_text("on the endpoint's volume now")
    before = await scripts.runs()
    await scripts.button("Run").click()

    assert share == 0.5
    assert before == 0
    assert await scripts.runs() == 1
    assert scripts.done == [("models/send", {"kind": "checkpoints", "name": "base.safetensors"})]


async def test_an_upload_that_fails_can_be_tried_again(scripts: ScriptBed) -> None:
    scripts.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await scripts.show(refused(model(here=True)))
    await scripts.button("Send mine").click()
    await scripts.transfer(done=1)
    await scripts.transfer(ended=True, error="RunPod's storage refused the key.")
    await expect(scripts.box).to_contain_text("refused the key")
    await scripts.button("Send mine").click()
    await expect(scripts.box).to_contain_text("Sending")

    assert [path for path, _ in scripts.done] == ["models/send", "models/send"]


async def test_an_upload_goes_on_in_the_box_of_the_next_refusal(scripts: ScriptBed) -> None:
    scripts.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await scripts.show(refused(model(here=True)))
    await scripts.button("Send mine").click()
    await expect(scripts.box).to_contain_text("Sending")
    await scripts.show(refused(model(here=True)))
    await scripts.transfer(done=70_000_000, size=100_000_000)

    assert "Sending: 70 MB of 100 MB" in await scripts.box.inner_text()
    assert await scripts.buttons() == []


async def test_the_end_of_an_upload_is_told_when_the_box_is_closed(scripts: ScriptBed) -> None:
    scripts.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await scripts.show(refused(model(here=True)))
    await scripts.button("Send mine").click()
    await expect(scripts.box).to_contain_text("Sending")
    await scripts.button("Close").click()
    await scripts.transfer(ended=True, error="The disk is full.")
    await scripts.transfer(name="of-another-page.safetensors", ended=True)

    assert await scripts.notices() == [["error", "base.safetensors was not sent", "The disk is full."]]


async def test_a_way_that_is_closed_goes_away_and_says_why(scripts: ScriptBed) -> None:
    scripts.answers["models/send"] = (
        409,
        {"error": {"message": "Cannot send", "details": "There is no network volume."}},
    )
    scripts.answers["models/fetch"] = fetches(to="worker")
    await scripts.show(refused(model(here=True, fetch=FROM)))

    assert [text.partition(" (")[0] for text in await scripts.buttons()] == [
        "Let the worker fetch it from huggingface.co"
    ]
    assert "network volume" in await scripts.box.inner_text()


async def test_a_file_that_cannot_be_sent_has_no_button_and_says_why(scripts: ScriptBed) -> None:
    told = {"size": None, "minutes": None, "text": "This endpoint has no network volume.", "started": False}
    scripts.answers["models/send"] = 200, told
    await scripts.show(refused(model(here=True, like="sub/base.safetensors"), model("other", here="perhaps")))

    assert await scripts.buttons() == []
    assert (await scripts.box.locator(".note:visible").all_inner_texts()) == [
        "The endpoint has sub/base.safetensors. This endpoint has no network volume."
    ]


async def test_an_upload_that_does_not_start_says_why(scripts: ScriptBed) -> None:
    scripts.answers["models/send"] = (
        200,
        {"size": 5, "minutes": 1, "text": "Another model is being sent.", "started": False},
    )
    await scripts.show(refused(model(here=True)))
    await scripts.button("Send mine").click()
    await expect(scripts.box).to_contain_text("Another model is being sent.")

    assert await scripts.button("Send mine").is_enabled()
    assert await scripts.box.locator("progress:visible").count() == 0


async def test_a_download_of_unknown_size_says_so(scripts: ScriptBed) -> None:
    cost = {"host": "civitai.com", "size": None, "to": "volume", "minutes": None, "cost_usd": None}
    scripts.answers["models/fetch"] = 200, {"models": [cost], "text": ""}
    await scripts.show(refused(model(fetch=FROM)))

    assert await scripts.buttons() == ["Let the worker fetch it from civitai.com"]
    assert "does not say how large it is" in await scripts.box.inner_text()


async def test_a_refusal_of_the_proxy_is_said_and_nothing_runs(scripts: ScriptBed) -> None:
    scripts.answers["models/fetch"] = fetches()
    await scripts.show(refused(model(fetch=FROM)))
    scripts.answers["models/fetch"] = (
        400,
        {"error": {"message": "Not allowed", "details": "evil.example is not allowed."}},
    )
    await scripts.button("Let the worker").click()
    await expect(scripts.box).to_contain_text("evil.example is not allowed.")

    assert await scripts.runs() == 0


async def test_an_answer_that_is_not_json_is_said_as_well(scripts: ScriptBed) -> None:
    scripts.answers["catalog/trust"] = 200, {}
    await scripts.show(refused(can_run_anyway=True))
    await scripts.page.route("**/catalog/trust*", lambda route: route.fulfill(status=502, body="<html>"))
    await scripts.button("Run anyway").click()
    await scripts.page.wait_for_function("() => window.notices.length")
    await scripts.page.unroute_all()
    await scripts.page.route("**/catalog/trust*", lambda route: route.abort())
    await scripts.button("Run anyway").click()
    await scripts.page.wait_for_function("() => window.notices.length > 1")

    assert [detail for _, _, detail in await scripts.notices()] == [
        "The proxy answered with status 502.",
        "The proxy does not answer.",
    ]


async def test_run_anyway_is_said_for_this_page_alone(scripts: ScriptBed) -> None:
    scripts.answers["catalog/trust"] = 200, {}
    await scripts.show(refused(can_run_anyway=True))
    await scripts.button("Run anyway").click()
    await expect(scripts.box).to_be_hidden()

    assert scripts.done == [("catalog/trust", {"client_id": "page-1"})]
    assert await scripts.runs() == 1


async def test_a_missing_node_keeps_the_prompt_from_running_again(scripts: ScriptBed) -> None:
    scripts.answers["models/fetch"] = fetches()
    gone = {"node_id": "9", "class_type": "Odd", "text": "The endpoint does not have the node Odd."}
    await scripts.show(refused(model(fetch=FROM), classes=[gone]))
    await scripts.button("Let the worker").click()
    await expect(scripts.box).to_contain_text("fetches it before the next run")

    assert await scripts.runs() == 0
    assert "The endpoint does not have the node Odd. Odd #9" in await scripts.box.inner_text()


async def test_the_command_is_copied_or_shown(scripts: ScriptBed) -> None:
    await scripts.show(refused(model(command="scripts/sync-models.py base")))
    await scripts.button("Copy the command").click()
    await expect(scripts.button("Copied")).to_be_visible()
    copied = await scripts.page.evaluate("() => navigator.clipboard.readText()")
    await scripts.page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await scripts.button("Copied").click()
    await expect(scripts.box).to_contain_text("scripts/sync-models.py base")

    assert copied == "scripts/sync-models.py base"


async def test_names_from_outside_are_text(scripts: ScriptBed) -> None:
    hostile = "<img src=x onerror=window.ran=99>\u202egnp.exe" + "x" * 5_000
    await scripts.show(refused(model(hostile, class_type=hostile), text=hostile, differences=[{"text": hostile}]))
    text = await scripts.box.inner_text()

    assert await scripts.box.locator("img").count() == 0
    assert await scripts.runs() == 0
    assert "<img src=x onerror" in text
    assert "\u202e" not in text
    assert len(text) < 2_000


async def test_of_many_models_the_first_twenty_are_shown_and_asked_for(scripts: ScriptBed) -> None:
    scripts.answers["models/fetch"] = fetches()
    await scripts.show(refused(*(model(f"{number}.safetensors", fetch=FROM) for number in range(25))))

    assert await scripts.box.locator("li").count() == 21
    assert "and 5 more" in await scripts.box.inner_text()
    assert len(scripts.asked) == 20


async def test_a_second_click_does_nothing_while_the_first_works(scripts: ScriptBed) -> None:
    scripts.answers["catalog/trust"] = 200, {}
    await scripts.show(refused(can_run_anyway=True))
    await scripts.button("Run anyway").evaluate("(button) => { button.click(); button.click(); }")
    await expect(scripts.box).to_be_hidden()

    assert len(scripts.done) == 1
    assert await scripts.runs() == 1


async def test_the_newest_refusal_replaces_the_one_before(scripts: ScriptBed) -> None:
    await scripts.show(refused(text="The first."))
    await scripts.show(refused(text="The second."))

    assert await scripts.box.inner_text() == "The second.\n\n✕"


async def test_escape_closes_the_pages_dialog_first(scripts: ScriptBed) -> None:
    await scripts.show(refused())
    await scripts.page.evaluate(
        """() => document.body.insertAdjacentHTML("beforeend", "<p role=dialog>An error</p>")"""
    )
    await scripts.page.keyboard.press("Escape")
    still = await scripts.box.is_visible()
    await scripts.button("Close").focus()
    await scripts.page.keyboard.press("Escape")
    await expect(scripts.box).to_be_hidden()

    assert still
    assert await scripts.page.evaluate("() => document.activeElement.id") == "graph-canvas"


async def test_the_box_can_be_used_by_keyboard_and_names_its_parts(scripts: ScriptBed) -> None:
    scripts.answers["catalog/trust"] = 200, {}
    await scripts.show(refused(model(), can_run_anyway=True))
    await scripts.button("Close").focus()
    await scripts.page.keyboard.press("Tab")
    await scripts.page.keyboard.press("Enter")
    await expect(scripts.box).to_be_hidden()

    assert await scripts.runs() == 1
    assert await scripts.box.get_attribute("aria-label") == "RunPod"
