"""Input files on their way to the worker, read from a ComfyUI process."""

import io
from pathlib import Path

import pytest
from PIL import Image

from engine.prompt.inputs import WorkflowError
from tests.support.file_bed import Bed
from tests.support.prompts import inverted_file
from wire.files import Inline

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_a_link_out_of_the_input_folder_is_never_read(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (bed.data / "input" / "linked").symlink_to(tmp_path)
    (bed.data / "input" / "link.png").symlink_to(tmp_path / "secret.png")

    for name in ("link.png", "linked/secret.png"):
        with pytest.raises(WorkflowError, match="is a link to a file outside ComfyUI's input folder") as caught:
            await bed.stage(inverted_file(name))
        assert caught.value.node_id == "1"


async def test_a_partner_node_without_its_token_costs_nothing_and_says_what_to_do(bed: Bed) -> None:
    with pytest.raises(WorkflowError, match="press Run again; this job cost nothing") as caught:
        await bed.stage({"1": {"class_type": "SandboxPartner", "inputs": {"message": ""}}})

    assert caught.value.node_id == "1"
