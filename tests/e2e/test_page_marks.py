"""What the page's scripts decide: which node is marked, which models a workflow names, when the lists are read anew."""

from typing import Any

import pytest

from tests.support.browser import chromium
from tests.support.page_scripts import ScriptBed

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]
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
async def test_a_node_is_marked_that_the_endpoint_cannot_run(
    scripts: ScriptBed, node: dict[str, Any], mark: str | None
) -> None:
    found = await scripts.page.evaluate(MARK, [node, KNOWN, ""])
    unknown = await scripts.page.evaluate(MARK, [node, KNOWN | {"known": False}, ""])

    assert found == mark
    assert unknown is None


async def test_a_list_that_is_made_when_it_is_asked_for_is_read_too(scripts: ScriptBed) -> None:
    found = [await scripts.page.evaluate(MARK, [loader(value), KNOWN, "function"]) for value in ("a", "b")]

    assert found == [None, "endpoint lacks b"]


async def test_a_graph_of_a_thousand_nodes_is_drawn_again_only_when_a_mark_changes(scripts: ScriptBed) -> None:
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

    assert await scripts.page.evaluate(script) == [[1, 1], [1, 1], [2, 0]]


async def test_the_models_that_a_workflow_names_are_found_wherever_they_are(scripts: ScriptBed) -> None:
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

    assert await scripts.page.evaluate(script, models) == ["a", "b", "c"]
    assert (
        await scripts.page.evaluate(
            "() => import('/extensions/comfy-runpod/graph.js').then((it) => it.namedModels({}))"
        )
        == []
    )


async def test_many_changes_of_the_catalog_are_followed_one_at_a_time(scripts: ScriptBed) -> None:
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

    assert await scripts.page.evaluate(script) == [1, 2, 3]


async def test_the_last_catalog_stays_while_the_proxy_does_not_answer(scripts: ScriptBed) -> None:
    scripts.answers["catalog"] = 200, {"endpoints": [{"known": True, "sha256": "a"}], "only_here": ["X"]}
    script = """async () => {
        const { Catalog } = await import("/extensions/comfy-runpod/catalog.js");
        const { ask } = await import("/extensions/comfy-runpod/proxy.js");
        window.catalog ??= new Catalog(ask);
        const changed = await window.catalog.load();
        return [changed, window.catalog.state.known, [...window.catalog.state.onlyHere]];
    }"""
    first, second = [await scripts.page.evaluate(script) for _ in range(2)]
    scripts.answers["catalog"] = 500, {}
    third = await scripts.page.evaluate(script)

    assert first == [True, True, ["X"]]
    assert second == third == [False, True, ["X"]]


async def test_sizes_times_and_money_are_short(scripts: ScriptBed) -> None:
    script = """async () => {
        const { duration, price, size } = await import("/extensions/comfy-runpod/texts.js");
        return [
            [0, 999, 5e6, 6.5e9, -1, null, "x"].map(size),
            [0.2, 1, 9.4, null].map(duration),
            [0, 0.004, 0.031, 12, null].map(price),
        ];
    }"""

    assert await scripts.page.evaluate(script) == [
        ["1 KB", "1 KB", "5 MB", "6.5 GB", "", "", ""],
        ["less than 1 min", "about 1 min", "about 9 min", ""],
        ["~$0.00", "<$0.01", "~$0.03", "~$12.00", ""],
    ]
