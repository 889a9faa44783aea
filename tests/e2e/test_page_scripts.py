"""The scripts that the proxy adds to ComfyUI's page, in a browser, on a page without ComfyUI: what each button does."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Locator, Page, expect

import proxy
from tests.support.browser import chromium, opened_context
from tests.support.served import served

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]
STATIC = Path(proxy.__file__).parent / "static"
PAGE = """<!doctype html><link rel="stylesheet" href="/extensions/comfy-runpod/runpod.css">
<canvas id="graph-canvas" tabindex="0"></canvas><script type="module">
import { ask } from "/extensions/comfy-runpod/proxy.js";
import { Remedies } from "/extensions/comfy-runpod/remedies.js";
import { Toast } from "/extensions/comfy-runpod/toast.js";
window.ran = 0;
window.notices = [];
window.remedies = new Remedies({
  toast: new Toast(), ask, run: () => { window.ran += 1; },
  notify: (...notice) => window.notices.push(notice), clientId: () => "page-1",
});
</script>"""
FROM = {"url": "https://huggingface.co/a/b.safetensors", "host": "huggingface.co", "size": None}
BASE = {"node_id": "4", "class_type": "CheckpointLoaderSimple", "input": "ckpt_name", "kind": "checkpoints"}


def model(name: str = "base.safetensors", **more: Any) -> dict[str, Any]:
    return {**BASE, "name": name, "here": False, "size": None, "fetch": None, "command": "", **more}


def refused(*models: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {"prompt_id": None, "refused": True, "can_run_anyway": False, "text": "The endpoint has no such model."}
    return {**told, "models": list(models), "classes": [], "differences": [], **more}


@dataclass
class Bed:
    """A page with the box, and the proxy's routes with the *answers* (path → status, body) that a test gives them."""

    page: Page
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, bool, Any]] = field(default_factory=list)
    """path, dry, body"""

    async def answer(self, request: web.Request) -> web.Response:
        path, dry = request.match_info["path"], request.query.get("dry") == "1"
        body = await request.json() if request.method == "POST" else None
        self.asked.append((path, dry, body))
        status, answer = self.answers[path]
        return web.json_response(answer, status=status)

    @property
    def done(self) -> list[tuple[str, Any]]:
        """What was asked for in earnest."""
        return [(path, body) for path, dry, body in self.asked if not dry]

    async def show(self, detail: dict[str, Any]) -> None:
        await self.page.evaluate("(detail) => window.remedies.show(detail)", detail)

    async def transfer(self, **detail: Any) -> None:
        told = {
            "kind": "checkpoints",
            "name": "base.safetensors",
            "done": 0,
            "size": 100,
            "ended": False,
            "error": None,
        }
        await self.page.evaluate("(detail) => window.remedies.transfer(detail)", told | detail)

    @property
    def box(self) -> Locator:
        return self.page.locator("#comfy-runpod-toast")

    def button(self, text: str) -> Locator:
        return self.box.get_by_role("button", name=text)

    async def buttons(self) -> list[str]:
        return await self.box.locator("button:not(.close):visible").all_inner_texts()

    async def runs(self) -> int:
        return int(await self.page.evaluate("() => window.ran"))

    async def notices(self) -> list[list[str]]:
        found: list[list[str]] = await self.page.evaluate("() => window.notices")
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(browser: Browser) -> AsyncIterator[Bed]:
    async with opened_context(browser) as context:
        bed = Bed(await context.new_page())
        app = web.Application()
        app.router.add_get("/", blank)
        app.router.add_static("/extensions/comfy-runpod/", STATIC)
        app.router.add_route("*", "/runpod/api/{path:.*}", bed.answer)
        async with served(app) as url:
            await context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
            await bed.page.goto(url)
            yield bed


async def blank(_: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


@pytest_asyncio.fixture(loop_scope="module")
async def bed(opened: Bed) -> Bed:
    """The page anew."""
    await opened.page.unroute_all()
    await opened.page.reload()
    await opened.page.wait_for_function("() => window.remedies")
    opened.answers.clear()
    opened.asked.clear()
    return opened


def fetches(size: int = 6_500_000_000, to: str = "volume") -> tuple[int, Any]:
    cost = {"host": "huggingface.co", "size": size, "to": to, "minutes": 2.2, "cost_usd": 0.031}
    return 200, {"models": [cost], "text": ""}


async def test_a_button_says_its_price_before_it_is_pressed(bed: Bed) -> None:
    bed.answers["models/send"] = 200, {"size": 6_500_000_000, "minutes": 9.4, "text": "", "started": False}
    bed.answers["models/fetch"] = fetches()
    await bed.show(refused(model(here=True, size=6_500_000_000, fetch=FROM, command="scripts/sync-models.py base")))

    assert await bed.buttons() == [
        "Send mine (6.5 GB, about 9 min)",
        "Let the worker fetch it from huggingface.co (6.5 GB, about 2 min, ~$0.03)",
        "Copy the command",
    ]
    assert bed.done == []


async def test_a_model_that_the_worker_may_fetch_is_agreed_on_and_the_prompt_runs_again(bed: Bed) -> None:
    bed.answers["models/fetch"] = fetches()
    await bed.show(refused(model(fetch={**FROM, "sha256": "ab"})))
    await bed.button("Let the worker").click()
    await expect(bed.box).to_be_hidden()

    wanted = {"kind": "checkpoints", "name": "base.safetensors", "url": FROM["url"], "sha256": "ab"}
    assert bed.done == [("models/fetch", {"models": [wanted]})]
    assert await bed.runs() == 1


async def test_a_prompt_that_already_runs_is_not_run_again(bed: Bed) -> None:
    bed.answers["models/fetch"] = fetches()
    await bed.show(refused(model(fetch=FROM), refused=False, prompt_id="p"))
    await bed.button("Let the worker").click()
    await expect(bed.box).to_contain_text("fetches it before the next run")

    assert len(bed.done) == 1
    assert await bed.runs() == 0


async def test_one_of_two_models_is_not_enough_to_run(bed: Bed) -> None:
    bed.answers["models/fetch"] = fetches()
    await bed.show(refused(model("a.safetensors", fetch=FROM), model("b.safetensors", kind="vae", fetch=FROM)))
    await bed.button("Let the worker fetch it").first.click()
    await expect(bed.box).to_contain_text("fetches it before the next run")
    before = await bed.runs()
    await bed.button("Let the worker fetch it").click()
    await expect(bed.box).to_be_hidden()

    assert before == 0
    assert await bed.runs() == 1


async def test_several_models_are_one_question_with_one_price(bed: Bed) -> None:
    bed.answers["models/fetch"] = fetches(size=4_133_000_000)
    names = ["a.safetensors", "b.safetensors", "c.safetensors"]
    await bed.show(
        refused(*(model(name, fetch=FROM) for name in names), model("a.safetensors", node_id="7", fetch=FROM))
    )
    await bed.button("Let the worker fetch all 3 (12.4 GB, about 7 min, ~$0.09)").click()
    await expect(bed.box).to_be_hidden()

    assert [[one["name"] for one in body["models"]] for _, body in bed.done] == [names]
    assert await bed.runs() == 1


async def test_an_upload_shows_how_far_it_is_and_then_offers_to_run(bed: Bed) -> None:
    bed.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await bed.show(refused(model(here=True, size=100_000_000)))
    await bed.button("Send mine").click()
    await bed.transfer(done=50_000_000, size=100_000_000)
    await expect(bed.box).to_contain_text("Sending: 50 MB of 100 MB")
    share = await bed.box.locator("progress").evaluate("(bar) => bar.value")
    await bed.transfer(done=100_000_000, size=100_000_000, ended=True)
    await expect(bed.box).to_contain_text("on the endpoint's volume now")
    before = await bed.runs()
    await bed.button("Run").click()

    assert share == 0.5
    assert before == 0
    assert await bed.runs() == 1
    assert bed.done == [("models/send", {"kind": "checkpoints", "name": "base.safetensors"})]


async def test_an_upload_that_fails_can_be_tried_again(bed: Bed) -> None:
    bed.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await bed.show(refused(model(here=True)))
    await bed.button("Send mine").click()
    await bed.transfer(done=1)
    await bed.transfer(ended=True, error="RunPod's storage refused the key.")
    await expect(bed.box).to_contain_text("refused the key")
    await bed.button("Send mine").click()
    await expect(bed.box).to_contain_text("Sending")

    assert [path for path, _ in bed.done] == ["models/send", "models/send"]


async def test_an_upload_goes_on_in_the_box_of_the_next_refusal(bed: Bed) -> None:
    bed.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await bed.show(refused(model(here=True)))
    await bed.button("Send mine").click()
    await expect(bed.box).to_contain_text("Sending")
    await bed.show(refused(model(here=True)))
    await bed.transfer(done=70_000_000, size=100_000_000)

    assert "Sending: 70 MB of 100 MB" in await bed.box.inner_text()
    assert await bed.buttons() == []


async def test_the_end_of_an_upload_is_told_when_the_box_is_closed(bed: Bed) -> None:
    bed.answers["models/send"] = 200, {"size": 100, "minutes": 1, "text": "", "started": True}
    await bed.show(refused(model(here=True)))
    await bed.button("Send mine").click()
    await expect(bed.box).to_contain_text("Sending")
    await bed.button("Close").click()
    await bed.transfer(ended=True, error="The disk is full.")
    await bed.transfer(name="of-another-page.safetensors", ended=True)

    assert await bed.notices() == [["error", "base.safetensors was not sent", "The disk is full."]]


async def test_a_way_that_is_closed_goes_away_and_says_why(bed: Bed) -> None:
    bed.answers["models/send"] = 409, {"error": {"message": "Cannot send", "details": "There is no network volume."}}
    bed.answers["models/fetch"] = fetches(to="worker")
    await bed.show(refused(model(here=True, fetch=FROM)))

    assert [text.partition(" (")[0] for text in await bed.buttons()] == ["Let the worker fetch it from huggingface.co"]
    assert "network volume" in await bed.box.inner_text()


async def test_a_file_that_cannot_be_sent_has_no_button_and_says_why(bed: Bed) -> None:
    told = {"size": None, "minutes": None, "text": "This endpoint has no network volume.", "started": False}
    bed.answers["models/send"] = 200, told
    await bed.show(refused(model(here=True, like="sub/base.safetensors"), model("other", here="perhaps")))

    assert await bed.buttons() == []
    assert (await bed.box.locator(".note:visible").all_inner_texts()) == [
        "The endpoint has sub/base.safetensors. This endpoint has no network volume."
    ]


async def test_an_upload_that_does_not_start_says_why(bed: Bed) -> None:
    bed.answers["models/send"] = (
        200,
        {"size": 5, "minutes": 1, "text": "Another model is being sent.", "started": False},
    )
    await bed.show(refused(model(here=True)))
    await bed.button("Send mine").click()
    await expect(bed.box).to_contain_text("Another model is being sent.")

    assert await bed.button("Send mine").is_enabled()
    assert await bed.box.locator("progress:visible").count() == 0


async def test_a_download_of_unknown_size_says_so(bed: Bed) -> None:
    cost = {"host": "civitai.com", "size": None, "to": "volume", "minutes": None, "cost_usd": None}
    bed.answers["models/fetch"] = 200, {"models": [cost], "text": ""}
    await bed.show(refused(model(fetch=FROM)))

    assert await bed.buttons() == ["Let the worker fetch it from civitai.com"]
    assert "does not say how large it is" in await bed.box.inner_text()


async def test_a_refusal_of_the_proxy_is_said_and_nothing_runs(bed: Bed) -> None:
    bed.answers["models/fetch"] = fetches()
    await bed.show(refused(model(fetch=FROM)))
    bed.answers["models/fetch"] = 400, {"error": {"message": "Not allowed", "details": "evil.example is not allowed."}}
    await bed.button("Let the worker").click()
    await expect(bed.box).to_contain_text("evil.example is not allowed.")

    assert await bed.runs() == 0


async def test_an_answer_that_is_not_json_is_said_as_well(bed: Bed) -> None:
    bed.answers["catalog/trust"] = 200, {}
    await bed.show(refused(can_run_anyway=True))
    await bed.page.route("**/catalog/trust*", lambda route: route.fulfill(status=502, body="<html>"))
    await bed.button("Run anyway").click()
    await bed.page.wait_for_function("() => window.notices.length")
    await bed.page.unroute_all()
    await bed.page.route("**/catalog/trust*", lambda route: route.abort())
    await bed.button("Run anyway").click()
    await bed.page.wait_for_function("() => window.notices.length > 1")

    assert [detail for _, _, detail in await bed.notices()] == [
        "The proxy answered with status 502.",
        "The proxy does not answer.",
    ]


async def test_run_anyway_is_said_for_this_page_alone(bed: Bed) -> None:
    bed.answers["catalog/trust"] = 200, {}
    await bed.show(refused(can_run_anyway=True))
    await bed.button("Run anyway").click()
    await expect(bed.box).to_be_hidden()

    assert bed.done == [("catalog/trust", {"client_id": "page-1"})]
    assert await bed.runs() == 1


async def test_a_missing_node_keeps_the_prompt_from_running_again(bed: Bed) -> None:
    bed.answers["models/fetch"] = fetches()
    gone = {"node_id": "9", "class_type": "Odd", "text": "The endpoint does not have the node Odd."}
    await bed.show(refused(model(fetch=FROM), classes=[gone]))
    await bed.button("Let the worker").click()
    await expect(bed.box).to_contain_text("fetches it before the next run")

    assert await bed.runs() == 0
    assert "The endpoint does not have the node Odd. Odd #9" in await bed.box.inner_text()


async def test_the_command_is_copied_or_shown(bed: Bed) -> None:
    await bed.show(refused(model(command="scripts/sync-models.py base")))
    await bed.button("Copy the command").click()
    await expect(bed.button("Copied")).to_be_visible()
    copied = await bed.page.evaluate("() => navigator.clipboard.readText()")
    await bed.page.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await bed.button("Copied").click()
    await expect(bed.box).to_contain_text("scripts/sync-models.py base")

    assert copied == "scripts/sync-models.py base"


async def test_names_from_outside_are_text(bed: Bed) -> None:
    hostile = "<img src=x onerror=window.ran=99>\u202egnp.exe" + "x" * 5_000
    await bed.show(refused(model(hostile, class_type=hostile), text=hostile, differences=[{"text": hostile}]))
    text = await bed.box.inner_text()

    assert await bed.box.locator("img").count() == 0
    assert await bed.runs() == 0
    assert "<img src=x onerror" in text
    assert "\u202e" not in text
    assert len(text) < 2_000


async def test_of_many_models_the_first_twenty_are_shown_and_asked_for(bed: Bed) -> None:
    bed.answers["models/fetch"] = fetches()
    await bed.show(refused(*(model(f"{number}.safetensors", fetch=FROM) for number in range(25))))

    assert await bed.box.locator("li").count() == 21
    assert "and 5 more" in await bed.box.inner_text()
    assert len(bed.asked) == 20


async def test_a_second_click_does_nothing_while_the_first_works(bed: Bed) -> None:
    bed.answers["catalog/trust"] = 200, {}
    await bed.show(refused(can_run_anyway=True))
    await bed.button("Run anyway").evaluate("(button) => { button.click(); button.click(); }")
    await expect(bed.box).to_be_hidden()

    assert len(bed.done) == 1
    assert await bed.runs() == 1


async def test_the_newest_refusal_replaces_the_one_before(bed: Bed) -> None:
    await bed.show(refused(text="The first."))
    await bed.show(refused(text="The second."))

    assert await bed.box.inner_text() == "The second.\n\n✕"


async def test_escape_closes_the_pages_dialog_first(bed: Bed) -> None:
    await bed.show(refused())
    await bed.page.evaluate("""() => document.body.insertAdjacentHTML("beforeend", "<p role=dialog>An error</p>")""")
    await bed.page.keyboard.press("Escape")
    still = await bed.box.is_visible()
    await bed.button("Close").focus()
    await bed.page.keyboard.press("Escape")
    await expect(bed.box).to_be_hidden()

    assert still
    assert await bed.page.evaluate("() => document.activeElement.id") == "graph-canvas"


async def test_the_box_can_be_used_by_keyboard_and_names_its_parts(bed: Bed) -> None:
    bed.answers["catalog/trust"] = 200, {}
    await bed.show(refused(model(), can_run_anyway=True))
    await bed.button("Close").focus()
    await bed.page.keyboard.press("Tab")
    await bed.page.keyboard.press("Enter")
    await expect(bed.box).to_be_hidden()

    assert await bed.runs() == 1
    assert await bed.box.get_attribute("aria-label") == "RunPod"


KNOWN = {"known": True, "modelInputs": {"Loader": {"ckpt_name": "checkpoints"}}}
"""plus the classes that only one side has, which are Sets"""
MARK = """async ([node, state, values]) => {
    const { markOf } = await import("/extensions/comfy-runpod/marks.js");
    const sets = { onlyHere: new Set(["Here"]), onlyThere: new Set(["There"]) };
    if (values === "function") node.widgets[0].options = { values: () => ["a"] };
    return markOf(node, { ...state, ...sets })?.text ?? null;
}"""


def loader(value: object = "b", **more: Any) -> dict[str, Any]:
    widget = {"name": "ckpt_name", "value": value, "options": {"values": ["a"]}}
    return {"type": "Loader", "mode": 0, "widgets": [widget], **more}


@pytest.mark.parametrize(
    ("node", "mark"),
    [
        ({"type": "Here", "mode": 0}, "not on the endpoint"),
        ({"type": "x", "comfyClass": "Here"}, "not on the endpoint"),
        ({"type": "There", "mode": 0}, "endpoint only: plain widgets"),
        ({"type": "Other", "mode": 0}, None),
        ({"type": "Here", "mode": 2}, None),
        ({"type": "Here", "mode": 4}, None),
        (loader(), "endpoint lacks b"),
        (loader("a"), None),
        (loader(None), None),
        (loader(7), None),
        (loader(mode=4), None),
        (loader(type="Other"), None),
        (loader(type="constructor", widgets=[{"name": "name", "value": "b", "options": {"values": []}}]), None),
        (loader(inputs=[{"name": "ckpt_name", "link": 3}]), None),
        (loader(inputs=[{"name": "ckpt_name", "link": None}]), "endpoint lacks b"),
        (loader(widgets=[{"name": "ckpt_name", "value": "b"}]), None),
        (loader(widgets=[{"name": "toString", "value": "b", "options": {"values": []}}]), None),
        (loader(widgets=[{"name": "ckpt_name", "value": "b", "options": {"values": {"a": 1}}}]), "endpoint lacks b"),
    ],
)
async def test_a_node_is_marked_that_the_endpoint_cannot_run(bed: Bed, node: dict[str, Any], mark: str | None) -> None:
    found = await bed.page.evaluate(MARK, [node, KNOWN, ""])
    unknown = await bed.page.evaluate(MARK, [node, KNOWN | {"known": False}, ""])

    assert found == mark
    assert unknown is None


async def test_a_list_that_is_made_when_it_is_asked_for_is_read_too(bed: Bed) -> None:
    found = [await bed.page.evaluate(MARK, [loader(value), KNOWN, "function"]) for value in ("a", "b")]

    assert found == [None, "endpoint lacks b"]


async def test_a_graph_of_a_thousand_nodes_is_drawn_again_only_when_a_mark_changes(bed: Bed) -> None:
    script = """async () => {
        const { Marks } = await import("/extensions/comfy-runpod/marks.js");
        window.LGraphBadge = class { constructor(options) { Object.assign(this, options); } };
        let drawn = 0;
        const values = Array.from({ length: 500 }, (_, number) => `model ${number}`);
        const node = () => ({
            type: "Loader", mode: 0, badges: [], widgets: [{ name: "ckpt_name", value: "none", options: { values } }],
        });
        const nodes = Array.from({ length: 1000 }, node);
        const app = { graph: { nodes }, canvas: { setDirty: () => { drawn += 1; } } };
        const none = { onlyHere: new Set(), onlyThere: new Set() };
        const catalog = { state: { known: true, modelInputs: { Loader: { ckpt_name: "checkpoints" } }, ...none } };
        const marks = new Marks(app, catalog);
        const seen = [];
        const look = () => { marks.look(); seen.push([drawn, nodes[0].badges.length]); };
        look();
        look();
        nodes[0].widgets[0].value = "model 3";
        look();
        return seen;
    }"""

    assert await bed.page.evaluate(script) == [[1, 1], [1, 1], [2, 0]]


async def test_the_models_that_a_workflow_names_are_found_wherever_they_are(bed: Bed) -> None:
    script = """async (models) => {
        const { namedModels } = await import("/extensions/comfy-runpod/graph.js");
        const odd = [{ name: "no address" }, null, ..."javascript:alert(1) http://[ data:,x".split(" ").map(
            (url) => ({ name: "odd", url, directory: "vae" }),
        )];
        const inner = { nodes: [{ properties: { models: [models[1], ...odd] } }] };
        const graph = { nodes: [{ properties: { models: [models[0]] } }, {}], subgraphs: new Map([["s", inner]]) };
        const activeWorkflow = { activeState: { models: [models[2]] } };
        return namedModels({ graph, extensionManager: { workflow: { activeWorkflow } } }).map((model) => model.name);
    }"""
    models = [{"name": name, "url": "https://x.example/", "directory": "vae"} for name in "abc"]

    assert await bed.page.evaluate(script, models) == ["a", "b", "c"]
    assert (
        await bed.page.evaluate("() => import('/extensions/comfy-runpod/graph.js').then((it) => it.namedModels({}))")
        == []
    )


async def test_many_changes_of_the_catalog_are_followed_one_at_a_time(bed: Bed) -> None:
    script = """async () => {
        const { oneAtATime } = await import("/extensions/comfy-runpod/catalog.js");
        let now = 0, most = 0, turns = 0;
        const follow = oneAtATime(async () => {
            turns += 1;
            most = Math.max(most, now += 1);
            await new Promise((resolve) => setTimeout(resolve));
            now -= 1;
        });
        await Promise.all([follow(), follow(), follow()]);
        const atOnce = turns;
        await follow();
        return [most, atOnce, turns];
    }"""

    assert await bed.page.evaluate(script) == [1, 2, 3]


async def test_the_last_catalog_stays_while_the_proxy_does_not_answer(bed: Bed) -> None:
    bed.answers["catalog"] = 200, {"endpoints": [{"known": True, "sha256": "a"}], "only_here": ["X"]}
    script = """async () => {
        const { Catalog } = await import("/extensions/comfy-runpod/catalog.js");
        const { ask } = await import("/extensions/comfy-runpod/proxy.js");
        window.catalog ??= new Catalog(ask);
        const changed = await window.catalog.load();
        return [changed, window.catalog.state.known, [...window.catalog.state.onlyHere]];
    }"""
    first, second = [await bed.page.evaluate(script) for _ in range(2)]
    bed.answers["catalog"] = 500, {}
    third = await bed.page.evaluate(script)

    assert first == [True, True, ["X"]]
    assert second == third == [False, True, ["X"]]


async def test_sizes_times_and_money_are_short(bed: Bed) -> None:
    script = """async () => {
        const { duration, price, size } = await import("/extensions/comfy-runpod/texts.js");
        return [
            [0, 999, 5e6, 6.5e9, -1, null, "x"].map(size),
            [0.2, 1, 9.4, null].map(duration),
            [0, 0.004, 0.031, 12, null].map(price),
        ];
    }"""

    assert await bed.page.evaluate(script) == [
        ["1 KB", "1 KB", "5 MB", "6.5 GB", "", "", ""],
        ["less than 1 min", "about 1 min", "about 9 min", ""],
        ["~$0.00", "<$0.01", "~$0.03", "~$12.00", ""],
    ]
