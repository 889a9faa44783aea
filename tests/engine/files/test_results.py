"""Files between the worker and a ComfyUI process."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.comfyui import ComfyUI, ComfyUIRejected
from engine.files.large_files import LargeFiles
from engine.files.results import OutputIncomplete, ResultFiles
from storage.disk import DiskUnavailable
from tests.support.comfyui import comfyui_process
from tests.support.file_bed import RUN, Bed, names, output, reference
from tests.support.prompts import inverted_image
from tests.support.until import until
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import Folder, MissingFile, encode_bytes
from wire.ids import PromptId

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_output_folder_is_known_only_when_it_is_the_same(bed: Bed) -> None:
    assert await bed.comfyui.output_folder() == bed.data / "output"


async def test_names_continue_what_comfyui_wrote_and_comfyui_continues_ours(bed: Bed) -> None:
    await run_locally(bed, "both")
    saved = (await bed.files.save(bed.job("p1"), RUN, output(reference("both_00001_.png", b"one")))).event
    await run_locally(bed, "both")

    assert names(saved) == ["both_00002_.png"]
    assert (bed.data / "output" / "both_00002_.png").read_bytes() == b"one"
    assert (bed.data / "output" / "both_00003_.png").exists()


async def run_locally(bed: Bed, prefix: str) -> None:
    body = {"prompt": inverted_image(prefix=prefix, color=len(list((bed.data / "output").iterdir())))}
    async with bed.session.post(bed.url + "/prompt", json=body) as response:
        prompt_id = (await response.json())["prompt_id"]

    async def ended() -> Any:
        async with bed.session.get(f"{bed.url}/history/{prompt_id}") as answer:
            return await answer.json()

    await until(ended)


async def test_a_file_in_chunks_is_put_together_and_checked(bed: Bed) -> None:
    job, content = bed.job("p2"), bytes(range(256)) * 40
    chunks = [
        FileChunk(transfer=0, offset=at, data=encode_bytes(content[at : at + 1000]))
        for at in range(0, len(content), 1000)
    ]
    for chunk in [*chunks[:4], *chunks[2:]]:  # some come twice
        await bed.files.add_chunk(job, RUN, chunk)
    event = output(reference("big_00001_.bin", content, subfolder="a/b", transfer=0))
    saved = (await bed.files.save(job, RUN, event)).event

    assert (bed.data / "output" / "a" / "b" / names(saved)[0]).read_bytes() == content


@pytest.mark.parametrize(
    ("chunk", "says"),
    [
        (FileChunk(transfer=2, offset=3, data=encode_bytes(b"ht")), "0 of 5 bytes"),
        (FileChunk(transfer=2, offset=0, data=encode_bytes(b"rig")), "3 of 5 bytes"),
        (FileChunk(transfer=2, offset=0, data=encode_bytes(b"wrong")), "another content"),
        (FileChunk(transfer=2, offset=0, data="not base64"), "0 of 5 bytes"),
    ],
)
async def test_a_damaged_file_is_not_stored_and_the_others_of_its_output_are(
    bed: Bed, chunk: FileChunk, says: str
) -> None:
    job = bed.job(f"damaged {says} {chunk.offset}")
    await bed.files.add_chunk(job, RUN, chunk)
    bad = reference("damaged_00001_.png", b"right", transfer=2)
    event = output(bad, reference("whole_00001_.png", b"whole"))
    with pytest.raises(OutputIncomplete, match=says) as caught:
        await bed.files.save(job, RUN, event)
    given_up = await bed.files.save(job, RUN, event, give_up=True)

    assert caught.value.files == (bad,)
    assert not list((bed.data / "output").glob("damaged*"))
    assert list(given_up.names) == [("output", "", "whole_00001_.png")]
    assert [one.item[2] for one in given_up.lost] == ["damaged_00001_.png"]
    assert names(given_up.event) == [given_up.names["output", "", "whole_00001_.png"][2]]


async def test_a_file_that_the_worker_lacks_is_lost_and_no_item_of_it_is_shown(bed: Bed) -> None:
    gone = MissingFile(filename="gone_00001_.png", type="output", reason="it was cleaned up")
    event = output(reference("here_00001_.png", b"here"), reference("gone_00001_.png", b""))
    saved = await bed.files.save(
        bed.job("lacks"), RUN, event.model_copy(update={"files": event.files[:1], "missing": (gone,)})
    )

    assert [(one.item, one.reason) for one in saved.lost] == [(("output", "", "gone_00001_.png"), "it was cleaned up")]
    assert names(saved.event) == ["here_00001_.png"]


async def test_a_file_that_comes_later_keeps_the_number_of_its_film(bed: Bed) -> None:
    (bed.data / "output" / "clips").mkdir()
    (bed.data / "output" / "clips" / "v_00006.mp4").write_bytes(b"an earlier film")
    job = bed.job("p-film")
    film = [reference(name, name.encode(), subfolder="clips") for name in ("v_00001-audio.mp4", "v_00001.png")]
    await bed.files.save(job, RUN, output(*film))
    later = reference("v_00001.mp4", b"without sound", subfolder="clips")
    saved = await bed.files.save(job, RUN, NodeOutput(node="", files=(later,)))

    assert saved.names == {("output", "clips", "v_00001.mp4"): ("output", "clips", "v_00007.mp4")}
    assert sorted(path.name for path in (bed.data / "output" / "clips").iterdir()) == [
        "v_00006.mp4",
        "v_00007-audio.mp4",
        "v_00007.mp4",
        "v_00007.png",
    ]


async def test_an_input_that_a_node_shows_again_stays_the_only_one(bed: Bed) -> None:
    (bed.data / "input").mkdir(exist_ok=True)
    mine = {"mine_00007_.png": b"mine", "other_00001_.png": b"mine, too"}
    for name, content in mine.items():
        (bed.data / "input" / name).write_bytes(content)
    shown = [
        reference("mine_00007_.png", b"mine", folder="input"),
        reference("other_00001_.png", b"new", folder="input"),
    ]
    saved = await bed.files.save(bed.job("p-input"), RUN, output(*shown))

    assert names(saved.event) == ["mine_00007_.png", "other_00001_ (1).png"]
    assert {path.name: path.read_bytes() for path in (bed.data / "input").glob("*_0000*")} == {
        **mine,
        "other_00001_ (1).png": b"new",
    }


async def test_what_is_sent_again_completes_a_file(bed: Bed) -> None:
    job, file = bed.job("again"), reference("again_00001_.bin", b"0123456789", transfer=7)
    await bed.files.add_chunk(job, RUN, FileChunk(transfer=7, offset=0, data=encode_bytes(b"0123")))
    start = await bed.files.received(job, RUN, file)
    await bed.files.append(job, RUN, file, FileChunk(transfer=0, offset=4, data=encode_bytes(b"456789")))
    saved = await bed.files.save(job, RUN, output(file))

    assert start == 4
    assert (bed.data / "output" / names(saved.event)[0]).read_bytes() == b"0123456789"
    assert not list((bed.data / "parts" / job).iterdir())


async def test_a_group_of_files_that_cannot_be_stored_now_does_not_keep_the_others_from_it(bed: Bed) -> None:
    files = ResultFiles(
        BrokenUpload(bed.url, bed.session), bed.data / "parts", bed.store.files,
        LargeFiles(bed.session, bucket=None, volume=None)
    )  # fmt: skip
    event = output(reference("p_00001_.png", b"p", folder="temp"), reference("stored_00001_.png", b"s"))
    job = bed.job("broken upload")
    with pytest.raises(ComfyUIRejected, match="500"):
        await files.save(job, RUN, event)

    assert list(bed.store.files.names(job)) == [("output", "", "stored_00001_.png")]


class BrokenUpload(ComfyUI):
    """Its uploads stumble, as those of a ComfyUI with a broken custom node do."""

    async def upload(self, source: Path, subfolder: str, filename: str, folder: Folder) -> tuple[str, str]:
        raise ComfyUIRejected(500, "Internal Server Error")


async def test_parts_of_jobs_that_have_ended_are_swept_away_at_the_start(bed: Bed, tmp_path: Path) -> None:
    large = LargeFiles(bed.session, bucket=None, volume=None)
    files = ResultFiles(bed.comfyui, tmp_path / "parts", bed.store.files, large)
    for name in ("active", "ended"):
        await files.add_chunk(PromptId(name), RUN, FileChunk(transfer=0, offset=0, data=encode_bytes(b"x")))
    await files.sweep_parts([PromptId("active")])

    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["active"]


async def test_the_same_result_delivered_twice_is_stored_once(bed: Bed) -> None:
    job, event = bed.job("p4"), output(reference("twice_00001_.png", b"t"))
    first = (await bed.files.save(job, RUN, event)).event
    second = (await bed.files.save(job, "another-run", event)).event

    assert first == second
    assert [path.name for path in (bed.data / "output").glob("twice*")] == ["twice_00001_.png"]


async def test_parallel_jobs_never_share_a_name(bed: Bed) -> None:
    events = [(bed.job(f"parallel{n}"), output(reference("par_00001_.png", str(n).encode()))) for n in range(12)]
    saved = await asyncio.gather(*(bed.files.save(job, RUN, event) for job, event in events))
    found = {name: (bed.data / "output" / name).read_bytes() for one in saved for name in names(one.event)}

    assert len(found) == 12
    assert sorted(found.values()) == sorted(str(n).encode() for n in range(12))
    assert not list((bed.data / "output").glob(".*"))


async def test_temp_files_go_through_comfyui_with_raw_names(bed: Bed) -> None:
    event = output(reference("ComfyUI_temp_ä漢_00001_.png", b"p", folder="temp"))
    saved = (await bed.files.save(bed.job("p5"), RUN, event)).event

    assert names(saved) == ["ComfyUI_temp_ä漢_00001_.png"]
    async with bed.comfyui.view("", names(saved)[0], "temp") as pieces:
        assert b"".join([piece async for piece in pieces]) == b"p"


async def test_a_comfyui_on_another_machine_gets_its_files_by_upload(bed: Bed) -> None:
    files = ResultFiles(
        Elsewhere(bed.url, bed.session),
        bed.data / "parts",
        bed.store.files,
        LargeFiles(bed.session, bucket=None, volume=None),
    )
    for name, content in (("p6", b"1"), ("p7", b"2")):
        await files.save(bed.job(name), RUN, output(reference("up_00001_.png", content, subfolder="remote")))

    found = {path.name: path.read_bytes() for path in (bed.data / "output" / "remote").iterdir()}
    assert found == {"up_00001_.png": b"1", "up_00002_.png": b"2"}


async def test_a_result_that_comfyui_does_not_take_waits_until_it_does(bed: Bed, tmp_path: Path) -> None:
    content = bytes(1024 * 1024 + 1)
    large = LargeFiles(bed.session, bucket=None, volume=None)
    (tmp_path / "comfyui").mkdir()
    async with comfyui_process(data=tmp_path / "comfyui", args=("--max-upload-size", "1")) as url:
        files = ResultFiles(Elsewhere(url, bed.session), tmp_path / "parts", bed.store.files, large)
        with pytest.raises(DiskUnavailable, match=r"1,048,577 bytes.*--max-upload-size.*parts"):
            await files.save(bed.job("p413"), RUN, output(reference("big_00001_.png", content)))
    files = ResultFiles(Elsewhere(bed.url, bed.session), tmp_path / "parts", bed.store.files, large)
    await files.save(PromptId("p413"), RUN, output(reference("big_00001_.png", content)))

    assert (bed.data / "output" / "big_00001_.png").read_bytes() == content


class Elsewhere(ComfyUI):
    """As on another machine, whose folders are out of reach."""

    async def output_folder(self) -> Path | None:
        return None


async def test_the_same_picture_of_two_nodes_is_stored_twice(bed: Bed) -> None:
    job = bed.job("p10")
    for node, name in (("1", "one_00001_.png"), ("2", "two_00001_.png")):
        event = output(reference(name, b"same", subfolder="same")).model_copy(update={"node": node})
        await bed.files.save(job, RUN, event)
    (bed.data / "output" / "same" / "one_00001_.png").write_bytes(b"edited")

    assert (bed.data / "output" / "same" / "two_00001_.png").read_bytes() == b"same"


async def test_a_piece_that_comes_again_does_not_change_what_is_stored(bed: Bed) -> None:
    job, chunk = bed.job("p11"), FileChunk(transfer=0, offset=0, data=encode_bytes(b"first"))
    await bed.files.add_chunk(job, RUN, chunk)
    await bed.files.save(job, RUN, output(reference("edited_00001_.bin", b"first", transfer=0)))
    (bed.data / "output" / "edited_00001_.bin").write_bytes(b"edited by somebody")
    await bed.files.add_chunk(job, RUN, chunk)

    assert (bed.data / "output" / "edited_00001_.bin").read_bytes() == b"edited by somebody"


async def test_what_a_killed_proxy_left_is_gone_with_the_next_start(bed: Bed) -> None:
    left = bed.data / "output" / "sub" / f".{uuid.uuid4().hex}.part"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    large = LargeFiles(bed.session, bucket=None, volume=None)
    await ResultFiles(bed.comfyui, bed.data / "parts", bed.store.files, large).sweep()

    assert not left.exists()


async def test_a_picture_that_came_in_chunks_is_put_into_its_preview(bed: Bed) -> None:
    prompt_id = bed.job("picture")
    for offset, piece in ((0, b"one"), (3, b"two")):
        await bed.files.add_chunk(prompt_id, RUN, FileChunk(transfer=4, offset=offset, data=encode_bytes(piece)))
    whole = await bed.files.with_picture(prompt_id, RUN, Preview(node="1", image_type="image/png", transfer=4))

    assert whole == Preview(node="1", image_type="image/png", data=encode_bytes(b"onetwo"))
    assert await bed.files.with_picture(prompt_id, RUN, Preview(node="1", image_type="image/png", transfer=5)) is None
    assert await bed.files.with_picture(prompt_id, RUN, whole or Preview(node="1", image_type="")) == whole


@given(st.binary(min_size=1, max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=12))
@settings(max_examples=60)
async def test_however_often_pieces_come_again_the_file_is_the_same(
    bed: Bed, content: bytes, replays: list[tuple[int, int]]
) -> None:
    """What lies behind a gap is left out, so that what is missing is asked for again."""
    prompt_id = PromptId(uuid.uuid4().hex)
    have = 0
    for at, length in [*replays, (0, len(content))]:
        piece = content[at : at + length]
        chunk = FileChunk(transfer=0, offset=at, data=encode_bytes(piece))
        await bed.files.add_chunk(prompt_id, RUN, chunk)
        have = max(have, at + len(piece)) if at <= have else have
        path = bed.data / "parts" / prompt_id / f"{RUN}-0"
        assert path.stat().st_size == have

    assert (bed.data / "parts" / prompt_id / f"{RUN}-0").read_bytes() == content
