"""Files between the worker and a ComfyUI process."""

import asyncio
import contextlib
import hashlib
import io
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.comfyui import ComfyUI
from engine.files.atomic_save import StorageFailed
from engine.files.inputs import InputFiles
from engine.files.large_files import LargeFiles
from engine.files.results import FileDamaged, ResultFiles
from engine.model.job import Submission
from engine.model.safe_path import NameRefused
from engine.prompt.inputs import WorkflowError
from engine.store.jobs import JobStore
from tests.support.comfyui import comfyui_process
from tests.support.hostile import PATHS
from tests.support.prompts import Prompt, inverted_file, inverted_image
from tests.support.until import until
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import FileRef, Folder, Inline, Streamed, encode_bytes
from wire.ids import PromptId

pytestmark = pytest.mark.asyncio(loop_scope="module")
RUN = "run1"


@dataclass
class Bed:
    url: str
    data: Path
    session: aiohttp.ClientSession
    comfyui: ComfyUI
    store: JobStore
    files: ResultFiles
    inputs: InputFiles

    async def stage(self, prompt: Prompt) -> tuple[Prompt, tuple[FileRef, ...]]:
        prompt_id = PromptId(str(uuid.uuid4()))
        return await self.inputs.stage(self.store.add(Submission(prompt_id, prompt, {}, ()), 0), "endpoint")

    def job(self, name: str) -> PromptId:
        prompt_id = PromptId(name)
        self.store.add(Submission(prompt_id, {}, {}, ()), 0)
        return prompt_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bed]:
    data = tmp_path_factory.mktemp("comfyui")
    async with comfyui_process(data=data) as url, aiohttp.ClientSession() as session:
        comfyui, large = ComfyUI(url, session), LargeFiles(session, bucket=None, volume=None)
        with JobStore(data / "jobs.sqlite") as store:
            yield Bed(
                url,
                data,
                session,
                comfyui,
                store,
                ResultFiles(comfyui, data / "parts", store, large),
                InputFiles(comfyui, data / "spool", store.kept, large),
            )


def reference(
    name: str, content: bytes, *, subfolder: str = "", folder: Folder = "output", transfer: int | None = None
) -> FileRef:
    source = Inline.of(content) if transfer is None else Streamed(transfer=transfer)
    digest = hashlib.sha256(content).hexdigest()
    return FileRef(filename=name, subfolder=subfolder, type=folder, sha256=digest, size=len(content), source=source)


def output(*files: FileRef) -> NodeOutput:
    items = [{"filename": file.filename, "subfolder": file.subfolder, "type": file.type} for file in files]
    return NodeOutput(node="9", output={"images": items}, files=files)


def names(saved: NodeOutput) -> list[str]:
    assert saved.output is not None
    return [item["filename"] for item in saved.output["images"]]


async def test_the_output_folder_is_known_only_when_it_is_the_same(bed: Bed) -> None:
    assert await bed.comfyui.output_folder() == bed.data / "output"


async def test_names_continue_what_comfyui_wrote_and_comfyui_continues_ours(bed: Bed) -> None:
    await run_locally(bed, "both")
    saved, _ = await bed.files.save(bed.job("p1"), RUN, output(reference("both_00001_.png", b"one")))
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
    saved, _ = await bed.files.save(job, RUN, output(reference("big_00001_.bin", content, subfolder="a/b", transfer=0)))

    assert (bed.data / "output" / "a" / "b" / names(saved)[0]).read_bytes() == content


async def test_a_gap_or_another_content_is_damage_and_nothing_is_stored(bed: Bed) -> None:
    job = bed.job("p3")
    with pytest.raises(FileDamaged, match="missing"):
        await bed.files.add_chunk(job, RUN, FileChunk(transfer=1, offset=5, data=encode_bytes(b"x")))
    await bed.files.add_chunk(job, RUN, FileChunk(transfer=2, offset=0, data=encode_bytes(b"wrong")))
    with pytest.raises(FileDamaged, match="another content"):
        await bed.files.save(job, RUN, output(reference("damaged_00001_.png", b"right", transfer=2)))

    assert not list((bed.data / "output").glob("damaged*"))


async def test_the_same_result_delivered_twice_is_stored_once(bed: Bed) -> None:
    job, event = bed.job("p4"), output(reference("twice_00001_.png", b"t"))
    first, _ = await bed.files.save(job, RUN, event)
    second, _ = await bed.files.save(job, "another-run", event)

    assert first == second
    assert [path.name for path in (bed.data / "output").glob("twice*")] == ["twice_00001_.png"]


async def test_parallel_jobs_never_share_a_name(bed: Bed) -> None:
    events = [(bed.job(f"parallel{n}"), output(reference("par_00001_.png", str(n).encode()))) for n in range(12)]
    saved = await asyncio.gather(*(bed.files.save(job, RUN, event) for job, event in events))
    found = {name: (bed.data / "output" / name).read_bytes() for event, _ in saved for name in names(event)}

    assert len(found) == 12
    assert sorted(found.values()) == sorted(str(n).encode() for n in range(12))
    assert not list((bed.data / "output").glob(".*"))


async def test_temp_files_go_through_comfyui_with_raw_names(bed: Bed) -> None:
    event = output(reference("ComfyUI_temp_ä漢_00001_.png", b"p", folder="temp"))
    saved, _ = await bed.files.save(bed.job("p5"), RUN, event)

    assert names(saved) == ["ComfyUI_temp_ä漢_00001_.png"]
    async with bed.comfyui.view("", names(saved)[0], "temp") as pieces:
        assert b"".join([piece async for piece in pieces]) == b"p"


async def test_a_comfyui_on_another_machine_gets_its_files_by_upload(bed: Bed) -> None:
    files = ResultFiles(
        Elsewhere(bed.url, bed.session),
        bed.data / "parts",
        bed.store,
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
        files = ResultFiles(Elsewhere(url, bed.session), tmp_path / "parts", bed.store, large)
        with pytest.raises(StorageFailed, match=r"1,048,577 bytes.*--max-upload-size.*parts"):
            await files.save(bed.job("p413"), RUN, output(reference("big_00001_.png", content)))
    files = ResultFiles(Elsewhere(bed.url, bed.session), tmp_path / "parts", bed.store, large)
    await files.save(PromptId("p413"), RUN, output(reference("big_00001_.png", content)))

    assert (bed.data / "output" / "big_00001_.png").read_bytes() == content


class Elsewhere(ComfyUI):
    """As on another machine, whose folders are out of reach."""

    async def output_folder(self) -> Path | None:
        return None


@pytest.mark.parametrize("path", [path for path in PATHS if path])
async def test_nothing_is_written_outside_whatever_the_worker_says(bed: Bed, path: str) -> None:
    (bed.data / "output").mkdir(exist_ok=True)
    before, prompt_id = set(bed.data.parent.rglob("*")), bed.job(f"evil{PATHS.index(path)}")
    subfolder, _, name = path.rpartition("/")
    with pytest.raises(NameRefused):
        await bed.files.save(prompt_id, RUN, output(reference(path, b"e")))
    for file in (reference("evil.png", b"e", subfolder=path), reference(name, b"e", subfolder=subfolder)):
        with contextlib.suppress(NameRefused):  # "a/" is an honest folder
            await bed.files.save(prompt_id, RUN, output(file))

    written = {found for found in set(bed.data.parent.rglob("*")) - before if found.is_file()}
    honest = {bed.data / "output" / "a" / found for found in ("evil.png", "b.png")}
    assert {found for found in written if found.suffix == ".png"} <= honest


async def test_a_symlink_is_no_way_out(bed: Bed, tmp_path: Path) -> None:
    (bed.data / "output" / "link").symlink_to(tmp_path)
    with pytest.raises(NameRefused):
        await bed.files.save(bed.job("p8"), RUN, output(reference("x_00001_.png", b"e", subfolder="link")))

    assert list(tmp_path.iterdir()) == []


async def test_inputs_are_read_over_http_once_each(bed: Bed) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    (bed.data / "input" / "sub").mkdir(exist_ok=True)
    (bed.data / "input" / "sub" / "ü 1.png").write_bytes(buffer.getvalue())
    prompt = inverted_file("sub/ü 1.png") | {"8": {"class_type": "LoadImage", "inputs": {"image": "sub/ü 1.png"}}}
    staged, files = await bed.stage(prompt)

    assert [(file.subfolder, file.filename, file.size) for file in files] == [
        ("sub", "ü 1.png", len(buffer.getvalue()))
    ]
    assert isinstance(files[0].source, Inline)
    assert files[0].source.content() == buffer.getvalue()
    assert staged == prompt


async def test_a_missing_input_is_the_prompts_fault(bed: Bed) -> None:
    with pytest.raises(WorkflowError, match="no such file") as caught:
        await bed.stage(inverted_file("nowhere.png"))

    assert caught.value.node_id == "1"


async def test_inputs_that_do_not_fit_are_refused_before_they_are_sent(bed: Bed) -> None:
    (bed.data / "input" / "huge.png").write_bytes(bytes(8 * 1024 * 1024))
    with pytest.raises(WorkflowError, match=r"7\.0 MiB") as caught:
        await bed.stage(inverted_file("huge.png"))

    assert caught.value.node_id == "1"


async def test_a_picture_that_came_in_chunks_is_put_into_its_preview(bed: Bed) -> None:
    prompt_id = bed.job("picture")
    for offset, piece in ((0, b"one"), (3, b"two")):
        await bed.files.add_chunk(prompt_id, RUN, FileChunk(transfer=4, offset=offset, data=encode_bytes(piece)))
    whole = await bed.files.with_picture(prompt_id, RUN, Preview(node="1", image_type="image/png", transfer=4))

    assert whole == Preview(node="1", image_type="image/png", data=encode_bytes(b"onetwo"))
    with pytest.raises(FileDamaged):
        await bed.files.with_picture(prompt_id, RUN, Preview(node="1", image_type="image/png", transfer=5))


@given(st.binary(min_size=1, max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=12))
@settings(max_examples=60)
async def test_however_often_pieces_come_again_the_file_is_the_same(
    bed: Bed, content: bytes, replays: list[tuple[int, int]]
) -> None:
    """A gap is refused, so that what is missing is asked for again."""
    prompt_id = PromptId(uuid.uuid4().hex)
    have = 0
    for at, length in [*replays, (0, len(content))]:
        piece = content[at : at + length]
        chunk = FileChunk(transfer=0, offset=at, data=encode_bytes(piece))
        if at > have:
            with pytest.raises(FileDamaged):
                await bed.files.add_chunk(prompt_id, RUN, chunk)
            continue
        await bed.files.add_chunk(prompt_id, RUN, chunk)
        have = max(have, at + len(piece))

    assert (bed.data / "parts" / prompt_id / f"{RUN}-0").read_bytes() == content


async def test_a_link_out_of_the_input_folder_is_never_read(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (bed.data / "input" / "linked").symlink_to(tmp_path)
    (bed.data / "input" / "link.png").symlink_to(tmp_path / "secret.png")
    for subfolder, name in (("", "link.png"), ("linked", "secret.png")):
        assert await bed.comfyui.leads_out(subfolder, name, "input")
        with pytest.raises(WorkflowError, match="403"):
            await bed.stage(inverted_file(f"{subfolder}/{name}".lstrip("/")))
    assert not await bed.comfyui.leads_out("", "nowhere.png", "input")
