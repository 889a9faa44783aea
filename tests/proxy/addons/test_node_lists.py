"""ComfyUI's lists of nodes and models, with what the endpoint has in them."""

import gzip
import json
from typing import Any

import pytest
from mitmproxy import http

from engine.catalog.catalogs import Catalogs
from engine.catalog.merge import ONLY_HERE, ONLY_THERE
from proxy.addons.node_lists import NodeLists
from tests.support.flows import answer, answered, asked
from wire.catalog import Catalog

UPLOAD = {"image_upload": True}


def info(name: str, **required: Any) -> dict[str, Any]:
    return {"name": name, "input": {"required": required}, "output": [], "category": "x", "description": ""}


HERE = {"LoadImage": info("LoadImage", image=[["mine.png"], UPLOAD]), "Mine": info("Mine")}
THERE = Catalog(
    nodes={"LoadImage": info("LoadImage", image=[[], UPLOAD]), "New": info("New", picture=[[], UPLOAD])},
    models={"checkpoints": {"there.ckpt": 7}, "gguf": {"x.gguf": 1}, "embeddings": {"style.pt": 2}},
)


def catalogs(catalog: Catalog | None = THERE) -> Catalogs:
    made = Catalogs(["endpoint"], lambda: 0)
    if catalog is not None:
        made.received("endpoint", catalog, "sha")
    return made


async def merged(addon: NodeLists, path: str, body: object, status: int = 200, **headers: str) -> http.HTTPFlow:
    flow = answered(asked("GET", path), body, status, **headers)
    await addon.response(flow)
    return flow


@pytest.mark.parametrize("path", ["/object_info", "/api/object_info"])
async def test_the_nodes_are_those_of_both(path: str) -> None:
    status, nodes = answer(await merged(NodeLists(catalogs()), path, HERE))

    assert status == 200
    assert list(nodes) == ["LoadImage", "Mine", "New"]
    assert nodes["LoadImage"]["input"]["required"]["image"][0] == ["mine.png"]
    assert nodes["New"]["input"]["required"]["picture"][0] == ["mine.png"]
    assert nodes["New"]["description"].startswith(ONLY_THERE)
    assert nodes["Mine"]["description"] == f"{ONLY_HERE} "


async def test_a_single_node_is_as_in_the_list_of_all() -> None:
    addon = NodeLists(catalogs())
    _, nodes = answer(await merged(addon, "/object_info", HERE))
    for name in nodes:
        body = {name: HERE[name]} if name in HERE else {}

        assert answer(await merged(addon, f"/object_info/{name}", body)) == (200, {name: nodes[name]})
    assert answer(await merged(addon, "/object_info/Nobodys", {})) == (200, {})


@pytest.mark.parametrize(
    ("path", "body", "status", "expected"),
    [
        ("/models", ["vae"], 200, ["vae", "checkpoints", "gguf", "embeddings"]),
        ("/models/checkpoints", ["mine.ckpt"], 200, ["there.ckpt"]),
        ("/api/models/gguf", b"", 404, ["x.gguf"]),
        ("/embeddings", [], 200, ["style"]),
        ("/experiment/models", [], 200, [{"name": name, "folders": []} for name in THERE.models]),
        (
            "/api/experiment/models/gguf",
            b"",
            404,
            [{"name": "x.gguf", "pathIndex": 0, "modified": 0, "created": 0, "size": 1}],
        ),
    ],
)
async def test_the_models_are_those_of_the_endpoint(path: str, body: object, status: int, expected: object) -> None:
    flow = await merged(NodeLists(catalogs()), path, body, status)

    assert answer(flow) == (200, expected)
    assert flow.response is not None
    assert flow.response.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/object_info", b"down", 500),
        ("/object_info", ["not an object"], 200),
        ("/models/unknown", b"", 404),
        ("/models/checkpoints", b"", 503),
        ("/models/checkpoints", {"not": "a list"}, 200),
        ("/experiment/models/preview/checkpoints/0/there.ckpt", b"", 404),
        ("/view_metadata/checkpoints?filename=there.ckpt", b"", 404),
        ("/object_info", b"{not JSON", 200),
    ],
)
async def test_every_other_answer_of_comfyui_passes(path: str, body: object, status: int) -> None:
    flow = await merged(NodeLists(catalogs()), path, body, status)

    assert flow.response is not None
    assert (flow.response.status_code, flow.response.content) == (
        status,
        body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


async def test_nothing_is_changed_while_nothing_is_known_of_the_endpoint() -> None:
    addon = NodeLists(catalogs(None), stand_in=True)
    flow = asked("GET", "/object_info", If_None_Match='"x"')
    addon.request(flow)
    answered(flow, HERE)
    await addon.response(flow)

    assert flow.request.headers["If-None-Match"] == '"x"'
    assert answer(flow) == (200, HERE)


async def test_a_compressed_answer_is_read_and_answered_plainly() -> None:
    flow = answered(asked("GET", "/models/checkpoints"), ["a.ckpt"], Content_Encoding="gzip")
    assert flow.response is not None
    assert gzip.decompress(flow.response.raw_content or b"") == b'["a.ckpt"]'
    await NodeLists(catalogs()).response(flow)

    assert flow.response is not None
    assert "Content-Encoding" not in flow.response.headers
    assert json.loads(flow.response.raw_content or b"") == ["there.ckpt"]


async def told_tag(addon: NodeLists, tag: str, known: str = "") -> tuple[int, str]:
    """The status and the tag for a page that has *known*, from a ComfyUI whose tag is *tag*."""
    flow = asked("GET", "/models/checkpoints", If_None_Match=known)
    addon.request(flow)
    assert "If-None-Match" not in flow.request.headers
    await addon.response(answered(flow, ["a.ckpt"], ETag=tag, Last_Modified="yesterday"))
    assert flow.response is not None
    assert "Last-Modified" not in flow.response.headers
    return flow.response.status_code, flow.response.headers["ETag"]


async def test_a_tag_stands_for_both_answers() -> None:
    known = catalogs()
    addon = NodeLists(known)
    _, tag = await told_tag(addon, '"1"')
    again = await told_tag(addon, '"1"', tag)
    known.received("endpoint", Catalog(models={"checkpoints": {"newer.ckpt": 1}}), "other")
    changed = await told_tag(addon, '"1"', tag)

    assert again == (304, tag)
    assert changed[0] == 200
    assert changed[1] != tag


async def test_an_answer_without_a_tag_stays_without_one() -> None:
    flow = await merged(NodeLists(catalogs()), "/models/checkpoints", [])

    assert flow.response is not None
    assert "ETag" not in flow.response.headers


async def test_the_same_answer_is_merged_once() -> None:
    known = catalogs()
    addon = NodeLists(known)
    first, second = [await merged(addon, "/object_info", HERE) for _ in range(2)]
    known.received("endpoint", Catalog(nodes={"Later": info("Later")}), "other")
    third = await merged(addon, "/object_info", HERE)

    assert first.response is not None
    assert second.response is not None
    assert first.response.content is second.response.content
    assert list(answer(third)[1]) == ["LoadImage", "Mine", "Later"]


async def test_a_stand_in_has_no_say() -> None:
    addon = NodeLists(catalogs(), stand_in=True)

    assert list(answer(await merged(addon, "/object_info", HERE))[1]) == ["LoadImage", "New"]
    assert answer(await merged(addon, "/object_info/Mine", {"Mine": HERE["Mine"]})) == (200, {})
    assert list(answer(await merged(addon, "/object_info/New", {}))[1]) == ["New"]


async def test_a_catalog_that_cannot_be_merged_leaves_comfyuis_answer(caplog: pytest.LogCaptureFixture) -> None:
    broken = THERE.model_copy(update={"nodes": {"New": None}})
    flow = await merged(NodeLists(catalogs(broken)), "/object_info?x=secret", HERE)

    assert answer(flow) == (200, HERE)
    assert "what the endpoint has is not in the answer to /object_info" in caplog.text
