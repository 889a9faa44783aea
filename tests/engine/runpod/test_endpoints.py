from pathlib import Path
from typing import Any

from engine.runpod.endpoints import runpod_endpoints, sandbox_endpoints
from engine.settings import Settings
from tests.support.runpod import RunPod, pictures, serving


async def test_each_endpoint_of_the_settings_can_be_asked(tmp_path: Path) -> None:
    async with serving(RunPod(pictures())) as runpod:
        named: dict[str, Any] = {
            "runpod_endpoint_id": "a, b",
            "runpod_endpoint_base_url": runpod.url,
            "runpod_api_key": "key",
        }
        async with runpod_endpoints(Settings(comfy_runpod_home=tmp_path, _env_file=None, **named)) as endpoints:
            health = [(await endpoint.health()).workers for endpoint in endpoints]

    assert [endpoint.id for endpoint in endpoints] == ["a", "b"]
    assert health == [{"idle": 1}, {"idle": 1}]


async def test_there_may_be_none(tmp_path: Path) -> None:
    async with runpod_endpoints(Settings(comfy_runpod_home=tmp_path, _env_file=None)) as endpoints:
        assert endpoints == ()


async def test_the_sandbox_has_one(tmp_path: Path) -> None:
    settings = Settings(comfy_runpod_home=tmp_path, _env_file=None)
    async with serving(RunPod(pictures())) as runpod, sandbox_endpoints(runpod.url, settings) as endpoints:
        assert [endpoint.id for endpoint in endpoints] == ["sandbox"]
        assert await endpoints[0].run({"workflow": {"1": {}}}) == "job-1"
