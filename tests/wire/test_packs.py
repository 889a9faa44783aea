"""Data files of custom node packs on the wire."""

import pytest

from wire.errors import WireError
from wire.job import JobRequest, decode_request, encode_request
from wire.limits import PROTOCOL
from wire.packs import PACK_FILES_MAX, PackFile

FILE = PackFile(path="pack/wildcards/a.txt", sha256="0" * 64)


def test_a_list_of_files_survives_the_wire_and_is_harmless_to_an_older_worker() -> None:
    body = encode_request(JobRequest(workflow={"1": {}}, packs=(FILE,)))

    assert decode_request(body).packs == (FILE,)
    assert body["protocol"] == PROTOCOL


def test_more_files_than_a_job_may_name_are_refused() -> None:
    with pytest.raises(WireError):
        decode_request({"workflow": {"1": {}}, "packs": [FILE.model_dump()] * (PACK_FILES_MAX + 1)})
