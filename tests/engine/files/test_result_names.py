"""Under which names results are stored."""

from pathlib import Path

import pytest

from tests.support.file_bed import RUN, Bed, names, output, reference
from tests.support.names import NAMES, NameCase
from wire.files import Folder

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("case", NAMES, ids=lambda case: ascii(case.path[:30]))
async def test_a_result_is_stored_inside_the_output_folder_whatever_its_name(bed: Bed, case: NameCase) -> None:
    number = NAMES.index(case)
    (bed.data / "output").mkdir(exist_ok=True)
    before, prompt_id = set(bed.data.rglob("*")), bed.job(f"named{number}")
    subfolder, _, filename = case.path.rpartition("/")
    file = reference(filename, b"%d" % number, subfolder=f"named{number}/{subfolder}")
    whole = await bed.files.save(prompt_id, RUN, output(file))
    saved, local = whole.event, whole.names

    folder, _, name = f"named{number}/{case.stored}".rpartition("/")
    assert local == {("output", file.subfolder, filename): ("output", folder, name)}
    assert names(saved) == [name]
    assert (bed.data / "output" / folder / name).read_bytes() == b"%d" % number
    written = {found for found in set(bed.data.rglob("*")) - before if found.is_file()}
    assert {found.relative_to(bed.data).parts[0] for found in written} == {"output"}


ODD = [
    "shot 12:30_1.png",
    "clips\\x_1.png",
    "x\t_1.png",
    'say "hi"; x=1_1.png',
    "ü 漢_1.png",
    "%22 1%.png",
    "a;b;c;d_1.png",
]


@pytest.mark.parametrize("folder", ["output", "temp"])
@pytest.mark.parametrize("name", ODD, ids=ascii)
async def test_a_result_with_an_odd_name_is_viewed_under_its_local_name(bed: Bed, folder: Folder, name: str) -> None:
    file = reference(name, name.encode(), subfolder="viewed", folder=folder)
    saved = (await bed.files.save(bed.job(f"viewed {folder} {ODD.index(name)}"), RUN, output(file))).event

    assert saved.output is not None
    item = saved.output["images"][0]
    async with bed.comfyui.view(item["subfolder"], item["filename"], item["type"]) as pieces:
        assert b"".join([piece async for piece in pieces]) == name.encode()


async def test_two_results_whose_names_become_the_same_are_both_kept(bed: Bed) -> None:
    files = [reference(f"same{odd}name_00001_.png", odd.encode()) for odd in "\t\n\\"]
    whole = await bed.files.save(bed.job("same names"), RUN, output(*files))
    saved, local = whole.event, whole.names

    assert names(saved) == [f"same_name_{number:05}_.png" for number in (1, 2, 3)]
    assert [(bed.data / "output" / name).read_bytes() for name in names(saved)] == [b"\t", b"\n", b"\\"]
    assert len(local) == 3


async def test_a_symlink_is_no_way_out(bed: Bed, tmp_path: Path) -> None:
    (bed.data / "output" / "link").symlink_to(tmp_path)
    local = (await bed.files.save(bed.job("p8"), RUN, output(reference("x_00001_.png", b"e", subfolder="link")))).names

    assert list(local.values()) == [("output", "link (1)", "x_00001_.png")]
    assert (bed.data / "output" / "link (1)" / "x_00001_.png").read_bytes() == b"e"
    assert list(tmp_path.iterdir()) == []


async def test_a_file_in_the_place_of_a_folder_keeps_no_result_waiting(bed: Bed) -> None:
    (bed.data / "output" / "clips").write_bytes(b"somebody's")
    file = reference("x_00001_.png", b"e", subfolder="clips")
    whole = await bed.files.save(bed.job("p9"), RUN, output(file))
    saved, local = whole.event, whole.names

    assert list(local.values()) == [("output", "clips (1)", "x_00001_.png")]
    assert saved.output is not None
    assert saved.output["images"] == [{"filename": "x_00001_.png", "subfolder": "clips (1)", "type": "output"}]
    async with bed.comfyui.view("clips (1)", "x_00001_.png", "output") as pieces:
        assert b"".join([piece async for piece in pieces]) == b"e"
