"""What clients run into at the edges: converted values, links that lead nowhere, paging, picture forms, sockets."""

import io
from typing import Any

import aiohttp
import pytest
from PIL import Image

from tests.contract.comfyui.conftest import Server
from tests.support.page import opened_page
from tests.support.prompts import inverted_image

pytestmark = pytest.mark.asyncio(loop_scope="module")
SAVE = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "edge"}}


async def refused(server: Server, prompt: dict[str, Any]) -> dict[str, Any]:
    status, answer = await server.post("/prompt", {"prompt": prompt})
    assert status == 400, answer
    found: dict[str, Any] = answer
    return found


async def asked(server: Server, method: str, path: str, **more: Any) -> tuple[int, bytes, Any]:
    async with server.session.request(method, server.url + path, **more) as response:
        return response.status, await response.read(), response.headers


async def test_values_are_converted_before_they_are_used_and_kept(server: Server) -> None:
    prompt = inverted_image(color=60)
    prompt["1"]["inputs"] |= {"width": "48", "height": 24.9}
    entry = await server.history(await server.queue(prompt))
    kept = entry["prompt"][2]["1"]["inputs"]

    assert entry["status"]["status_str"] == "success"
    assert (kept["width"], kept["height"]) == (48, 24)


async def test_what_is_wrong_with_an_output_itself_is_in_the_details(server: Server) -> None:
    answer = await refused(server, {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}})

    assert answer["error"]["details"] == "Required input is missing: images"
    assert answer["error"]["extra_info"] == {}


async def test_a_link_of_another_type_is_refused(server: Server) -> None:
    prompt = {"1": {"class_type": "LoadImage", "inputs": {"image": "type.png"}}, "2": SAVE}
    await server.upload("type.png", png(), overwrite="true")
    prompt["2"] = {**SAVE, "inputs": {**SAVE["inputs"], "images": ["1", 1]}}  # type: ignore[dict-item]
    (error,) = (await refused(server, prompt))["node_errors"]["2"]["errors"]

    assert error["type"] == "return_type_mismatch"
    assert error["details"] == "images, received_type(MASK) mismatch input_type(IMAGE)"
    assert error["extra_info"]["linked_node"] == ["1", 1]


@pytest.mark.parametrize("link", [["1"], ["1", 0, 0], []])
async def test_a_list_that_is_no_link_is_refused(server: Server, link: list[Any]) -> None:
    prompt = inverted_image()
    prompt["3"]["inputs"]["images"] = link
    (error,) = (await refused(server, prompt))["node_errors"]["3"]["errors"]

    assert error["type"] == "bad_linked_input"
    assert error["message"] == "Bad linked input, must be a length-2 list of [node_id, slot_index]"
    assert error["extra_info"]["received_value"] == link


async def test_a_link_to_a_node_that_is_not_there_is_refused(server: Server) -> None:
    direct, inner = inverted_image(), inverted_image()
    direct["3"]["inputs"]["images"] = ["99", 0]
    inner["2"]["inputs"]["image"] = ["99", 0]
    (of_output,) = (await refused(server, direct))["node_errors"]["3"]["errors"]
    (of_inner,) = (await refused(server, inner))["node_errors"]["2"]["errors"]

    assert (of_output["type"], of_output["details"]) == ("exception_during_validation", "'99'")
    assert set(of_output["extra_info"]) == {"exception_type", "traceback"}
    assert (of_inner["type"], of_inner["details"]) == ("exception_during_inner_validation", "'99'")
    assert of_inner["extra_info"]["linked_node"] == ["2", 0]


async def test_refused_prompts_use_up_numbers_too(server: Server) -> None:
    _, before = await server.post("/prompt", {"prompt": inverted_image(color=61)})
    await refused(server, {})
    await server.post("/prompt", {})
    _, after = await server.post("/prompt", {"prompt": inverted_image(color=62)})

    assert after["number"] == before["number"] + 3


async def test_a_body_that_is_no_json_is_a_plain_500(server: Server) -> None:
    status, _, headers = await asked(server, "POST", "/prompt", data=b"{")

    assert status == 500
    assert headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("body", [b"", b"{}", b"no json"])
async def test_an_interrupt_of_nothing_is_fine(server: Server, body: bytes) -> None:
    assert (await asked(server, "POST", "/interrupt", data=body))[:2] == (200, b"")


async def test_what_nobody_asked_for_is_told_to_everybody_only_as_progress(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        prompt_id = await server.queue(inverted_image(color=63))
        await server.history(prompt_id)
        await page.heard("progress_state", prompt_id)

    assert {message["type"] for message in page.of(prompt_id)} == {"progress_state"}


async def test_a_second_socket_of_the_same_page_takes_over(server: Server) -> None:
    async with (
        opened_page(server.session, server.url) as first,
        opened_page(server.session, server.url, first.sid) as second,
    ):
        prompt_id = await server.queue(inverted_image(color=64), client_id=first.sid)
        await second.heard_end(prompt_id)
        heard_by_first = first.of(prompt_id)

    assert heard_by_first == []


async def test_only_the_first_message_of_a_socket_is_looked_at(server: Server) -> None:
    async with server.session.ws_connect(f"{server.url}/ws") as socket:
        greeting = await socket.receive_json(timeout=5)
        await socket.send_str("no json")
        await socket.send_json({"type": "other", "data": {}})
        await socket.send_json({"type": "feature_flags", "data": {}})
        prompt_id = await server.queue(inverted_image(color=65), client_id=greeting["data"]["sid"])
        heard = [(await socket.receive_json(timeout=10))["type"] for _ in range(3)]

    assert "feature_flags" not in heard
    assert prompt_id


async def test_partial_targets_run_alone(server: Server) -> None:
    prompt = inverted_image(color=66)
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    entry = await server.history(await server.queue(prompt, partial_execution_targets=["4"]))

    assert set(entry["outputs"]) == {"4"}
    assert entry["prompt"][4] == ["4"]


def png(size: tuple[int, int] = (6, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", size, (200, 100, 50, 128)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("query", "kind", "mode"),
    [
        ("preview=webp;90", "image/webp", "RGBA"),
        ("preview=jpeg;50", "image/jpeg", "RGB"),
        ("preview=bogus", "image/webp", "RGBA"),
        ("preview=jpeg&channel=a", "image/webp", "RGBA"),
        ("channel=rgb", "image/png", "RGB"),
        ("channel=a", "image/png", "RGBA"),
        ("channel=rgba", "image/png", "RGBA"),
    ],
)
async def test_a_picture_is_shown_in_the_form_asked_for(server: Server, query: str, kind: str, mode: str) -> None:
    await server.upload("form.png", png(), overwrite="true")
    status, body, headers = await asked(server, "GET", f"/view?filename=form.png&type=input&{query}")
    image = Image.open(io.BytesIO(body))

    assert (status, headers["Content-Type"], image.mode, image.size) == (200, kind, mode, (6, 4))
    assert headers["Content-Disposition"] == 'filename="form.png"'


async def test_pages_among_the_files_are_not_shown_as_pages(server: Server) -> None:
    await server.upload("page.html", b"<script>", overwrite="true")
    await server.upload("text.bin", b"text", overwrite="true")
    page = await asked(server, "GET", "/view?filename=page.html&type=input")
    broken = await asked(server, "GET", "/view?filename=text.bin&type=input&preview=webp")
    nothing = await asked(server, "GET", "/view?type=input")

    assert page[2]["Content-Type"] == "application/octet-stream"
    assert (broken[0], nothing[0]) == (500, 404)


async def test_a_mask_becomes_the_alpha_of_its_original(server: Server) -> None:
    await server.upload("original.png", png(), overwrite="true")
    mask = io.BytesIO()
    Image.new("RGBA", (6, 4), (0, 0, 0, 7)).save(mask, "PNG")
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("image", mask.getvalue(), filename="masked.png", content_type="image/png")
    form.add_field("original_ref", '{"filename": "original.png", "subfolder": "", "type": "input"}')
    form.add_field("subfolder", "clipspace")
    status, _, _ = await asked(server, "POST", "/upload/mask", data=form)
    image = Image.open(server.data / "input" / "clipspace" / "masked.png")

    assert status == 200
    assert image.getpixel((0, 0)) == (200, 100, 50, 7)


async def test_an_upload_without_a_file_or_of_no_known_kind_is_refused(server: Server) -> None:
    form = aiohttp.FormData()
    form.add_field("type", "input")
    without, _, _ = await asked(server, "POST", "/upload/image", data=form)

    assert without == 400
    assert (await server.upload("x.bin", b"x", type="bogus"))[0] == 500


async def test_only_files_at_the_top_are_listed_newest_first(server: Server) -> None:
    await server.upload("older.bin", b"1", overwrite="true")
    await server.upload("deep.bin", b"1", subfolder="deep", overwrite="true")
    await server.upload("newer.bin", b"1", overwrite="true")
    names = [name.removesuffix(" [input]") for name in await server.get("/internal/files/input")]  # newer ones add it
    unknown, _, _ = await asked(server, "GET", "/internal/files/user")

    assert names.index("newer.bin") < names.index("older.bin")
    assert "deep.bin" not in names
    assert unknown == 400


async def test_the_folder_paths_tell_where_the_output_folder_is(server: Server) -> None:
    paths = await server.get("/internal/folder_paths")

    assert str(server.data / "output" / "checkpoints") in paths["checkpoints"]


@pytest.mark.parametrize(("path", "status"), [("/models/checkpoints", 200), ("/models/unet", 404)])
async def test_model_folders_go_by_their_new_names(server: Server, path: str, status: int) -> None:
    assert (await asked(server, "GET", path))[0] == status


async def test_user_files_are_kept_listed_and_removed(server: Server) -> None:
    put, _, _ = await asked(server, "POST", "/userdata/kept%2Fa.json?overwrite=false", data=b"{}")
    again, _, _ = await asked(server, "POST", "/userdata/kept%2Fa.json?overwrite=false", data=b"{}")
    listed = await server.get("/userdata?dir=kept&recurse=true&full_info=true")
    split = await server.get("/userdata?dir=kept&recurse=true&split=true")
    content = await asked(server, "GET", "/userdata/kept%2Fa.json")
    removed, _, _ = await asked(server, "DELETE", "/userdata/kept%2Fa.json")
    missing, _, _ = await asked(server, "GET", "/userdata/kept%2Fa.json")

    assert (put, again, removed, missing) == (200, 409, 204, 404)
    assert [(file["path"], file["size"]) for file in listed] == [("a.json", 2)]
    assert split == [["a.json", "a.json"]]
    assert content[1] == b"{}"
    assert (await asked(server, "GET", "/userdata?dir=absent"))[0] == 404
    assert (await asked(server, "GET", "/userdata"))[0] == 400
    assert (await asked(server, "GET", "/userdata/..%2F..%2Fx"))[0] == 403


async def test_settings_are_kept(server: Server) -> None:
    stored, _, _ = await asked(server, "POST", "/settings/Contract.Test", data=b'{"a": [1]}')

    assert stored == 200
    assert await server.get("/settings/Contract.Test") == {"a": [1]}
    assert (await server.get("/settings"))["Contract.Test"] == {"a": [1]}
    assert await server.get("/settings/Contract.Absent") is None


async def test_an_options_request_is_answered_before_any_route(server: Server) -> None:
    own = await asked(server, "OPTIONS", "/prompt")
    foreign = await asked(server, "OPTIONS", "/prompt", headers={"Origin": "http://evil.example"})

    assert own[:2] == (200, b"")
    assert foreign[0] == 403


async def test_a_foreign_page_gets_no_socket(server: Server) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await server.session.ws_connect(f"{server.url}/ws", origin="http://evil.example")

    assert raised.value.status == 403
