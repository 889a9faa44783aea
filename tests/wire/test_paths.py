"""A path that the worker completes."""

import pytest

from wire.errors import WireError
from wire.job import JobRequest, decode_request, encode_request
from wire.limits import PROTOCOL
from wire.paths import PATHS_MAX, WorkerPath

PLACE = WorkerPath(node="1", input="path", folder="input", path="a/b.png")


def test_a_path_survives_the_wire_and_is_harmless_to_an_older_worker() -> None:
    body = encode_request(JobRequest(workflow={"1": {}}, paths=(PLACE,)))

    assert decode_request(body).paths == (PLACE,)
    assert body["protocol"] == PROTOCOL


def test_the_path_from_comfyuis_base_folder_begins_with_the_folder() -> None:
    assert PLACE.relative == "input/a/b.png"
    assert PLACE.model_copy(update={"path": "", "folder": "output"}).relative == "output"


def test_more_paths_than_a_prompt_can_have_are_refused() -> None:
    with pytest.raises(WireError):
        decode_request({"workflow": {"1": {}}, "paths": [PLACE.model_dump()] * (PATHS_MAX + 1)})
