"""Which endpoint a command talks to."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from client.send.endpoints import opened_endpoints
from engine.errors import CannotStart
from engine.settings import Settings, load_settings
from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from tests.support.ports import free_port


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RUNPOD_API_KEY", "RUNPOD_ENDPOINT_ID", "RUNPOD_ENDPOINT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COMFY_RUNPOD_HOME", str(tmp_path))


def chosen(**values: Any) -> Settings:
    return load_settings(None, **values)


@pytest.mark.usefixtures("nothing_set")
async def test_runpods_endpoints_are_used_when_they_are_set() -> None:
    settings = chosen(runpod_api_key="rpa_key", runpod_endpoint_id="first,second")
    async with opened_endpoints(settings) as endpoints:
        assert [endpoint.id for endpoint in endpoints] == ["first", "second"]


@pytest.mark.usefixtures("nothing_set")
async def test_the_sandbox_is_used_when_it_runs() -> None:
    port = free_port()
    async with running_endpoint(Options(), port=port), opened_endpoints(chosen(sandbox_port=port)) as endpoints:
        (endpoint,) = endpoints
        health = await endpoint.health()

    assert endpoint.id == "sandbox"
    assert not health.workers.get("running")


@pytest.mark.usefixtures("nothing_set")
async def test_without_either_the_variables_are_named() -> None:
    with pytest.raises(CannotStart, match=r"RUNPOD_ENDPOINT_ID.*RUNPOD_API_KEY.*make endpoint"):
        async with asyncio.timeout(60), opened_endpoints(chosen(sandbox_port=free_port())):
            pass
