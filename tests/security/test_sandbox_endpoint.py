"""The sandbox's two servers: no page of a browser submits, takes or reads a job, and only our own workers get one."""

import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import pytest_asyncio
from aiohttp import web

from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from tests.support.browser import running_browser
from tests.support.comfyui import comfyui_process
from tests.support.prompts import inverted_image, slow_image
from tests.support.stack import PROJECT, Stack, running_stack
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT_ROUTES = [
    ("POST", "run"), ("POST", "runsync"), ("GET", "status/JOB"), ("GET", "status-sync/JOB"), ("GET", "stream/JOB"),
    ("POST", "cancel/JOB"), ("POST", "retry/JOB"), ("POST", "purge-queue"), ("GET", "health"),
    ("POST", "sandbox/faults"), ("OPTIONS", "run"),
]  # fmt: skip
WORKER_ROUTES = [
    ("GET", "job-take/w1"), ("GET", "job-take-batch/w1?batch_size=9"), ("GET", "job-stop/w1"),
    ("POST", "job-stream/w1/JOB"), ("POST", "job-done/w1/JOB"), ("GET", "ping/w1?job_id=JOB"),
]  # fmt: skip
REBOUND = {
    "a page whose name was rebound to this machine": {"Host": "evil.example:PORT"},
    "the same, with its origin": {"Host": "evil.example:PORT", "Origin": "http://evil.example:PORT"},
    "a name that resolves to this machine": {"Host": "127.0.0.1.nip.io:PORT"},
    "a name that begins like ours": {"Host": "localhost.evil.example:PORT"},
    "a Host that is no authority": {"Host": "localhost:PORT@evil.example"},
    "an empty Host": {"Host": ""},
}
FOREIGN = {
    "a foreign page": {"Origin": "http://evil.example"},
    "a page on another port": {"Origin": "http://127.0.0.1:1"},
    "a page on port 80": {"Origin": "http://127.0.0.1"},
    "a page on port 443": {"Origin": "https://127.0.0.1"},
    "a sandboxed frame": {"Origin": "null"},
    "a picture on a foreign page": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
}
PROGRAMS_ONLY = {
    "an address of the network": {"Host": "192.168.0.5:PORT"},
    "any address of this machine": {"Host": "0.0.0.0:PORT"},
    "a page of the endpoint itself": {"Origin": "http://127.0.0.1:PORT"},
    "a picture on a page of this machine": {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    "a script of the endpoint itself": {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"},
    "a link on a foreign page": {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    },
}
PAGES = REBOUND | FOREIGN | PROGRAMS_ONLY


def route_id(route: tuple[str, str]) -> str:
    return f"{route[0]} {route[1]}"


def headers_at(url: str, headers: dict[str, str]) -> dict[str, str]:
    port = url.removeprefix("http://").partition("/")[0].rpartition(":")[2]
    return {name: value.replace("PORT", port) for name, value in headers.items()}


class Endpoint:
    """The sandbox endpoint with a waiting job and no worker, and what it knows of it."""

    def __init__(self, running: Running, session: aiohttp.ClientSession, job: str) -> None:
        self.running, self.session, self.job = running, session, job

    async def ask(self, method: str, path: str, headers: dict[str, str]) -> int:
        url = f"{self.running.url}/sandbox/{path.replace('JOB', self.job)}"
        body: dict[str, Any] = {"input": {"workflow": {}}}
        async with self.session.request(method, url, json=body, headers=headers_at(url, headers)) as response:
            return response.status

    def facts(self) -> list[Any]:
        """What a request must not have changed."""
        state = self.running.service.state
        return [[(job.id, job.status, list(job.stream)) for job in state.jobs.values()], list(state.workers)]


@contextlib.asynccontextmanager
async def waiting_job() -> AsyncIterator[Endpoint]:
    options = Options(wanted_workers=0, take_hold_s=0.1, stream_hold_s=0.1)
    async with running_endpoint(options) as running, aiohttp.ClientSession() as session:
        url, headers = f"{running.url}/sandbox/run", {"Authorization": "any"}
        async with session.post(url, json={"input": {"secret": "prompt"}}, headers=headers) as response:
            job = (await response.json())["id"]
        yield Endpoint(running, session, job)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint() -> AsyncIterator[Endpoint]:
    async with waiting_job() as running:
        yield running


@pytest.mark.parametrize("route", [*CLIENT_ROUTES, *WORKER_ROUTES], ids=route_id)
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
async def test_no_page_reaches_the_endpoint_even_with_a_key(
    endpoint: Endpoint, page: dict[str, str], route: tuple[str, str]
) -> None:
    before = endpoint.facts()
    key = endpoint.running.service.options.worker_key
    status = await endpoint.ask(*route, {"Authorization": key, **page})

    assert status in ((400, 403) if page.get("Host") == "" else (403,))
    assert endpoint.facts() == before


@pytest.mark.parametrize("key", ["", "any", "Bearer any", "Bearer ", "KEY ", "ÄÖÜ"])
@pytest.mark.parametrize("route", WORKER_ROUTES, ids=route_id)
async def test_a_program_without_the_key_of_this_start_is_no_worker(
    endpoint: Endpoint, route: tuple[str, str], key: str
) -> None:
    before = endpoint.facts()
    sent = key.replace("KEY", endpoint.running.service.options.worker_key[:-1])
    status = await endpoint.ask(*route, {"Authorization": sent} if key else {})

    assert status == 401
    assert endpoint.facts() == before


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "none"}, {"Host": "localhost"}, {"Host": "[::1]:1"}], ids=str
)
async def test_a_program_with_any_key_is_a_client(endpoint: Endpoint, headers: dict[str, str]) -> None:
    assert await endpoint.ask("GET", "health", {"Authorization": "Bearer any", **headers}) == 200


async def test_the_key_is_another_one_at_each_start_and_is_not_shown() -> None:
    one, other = Options(), Options()

    assert one.worker_key != other.worker_key
    assert len(one.worker_key) >= 40
    assert one.worker_key not in repr(one)


ATTACK = """async ([url, job]) => {
  const read = [];
  const tries = [
    () => fetch(`${url}/run`, {method: "POST", mode: "no-cors", body: '{"input": {}}'}),
    () => fetch(`${url}/run`, {method: "POST", headers: {Authorization: "any"}, body: '{"input": {}}'}),
    () => fetch(`${url}/job-take/w1`, {mode: "no-cors"}),
    () => fetch(`${url}/job-take/w1`, {headers: {Authorization: "any"}}),
    () => fetch(`${url}/stream/${job}`, {headers: {Authorization: "any"}}),
    () => fetch(`${url}/cancel/${job}`, {method: "POST", headers: {Authorization: "any"}}),
    () => fetch(`${url}/job-done/w1/${job}`, {method: "POST", mode: "no-cors", body: '{"output": 1}'}),
    () => navigator.sendBeacon(`${url}/run`, '{"input": {}}'),
    () => new Promise(done => { const image = new Image(); image.onload = image.onerror = done;
                                image.src = `${url}/job-take/w1`; }),
    () => new Promise(done => { const script = document.createElement("script"); script.onload = script.onerror = done;
                                script.src = `${url}/job-take/w1`; document.head.append(script); }),
    () => new Promise(done => { const frame = document.createElement("iframe"); frame.name = "f"; frame.onload = done;
                                document.body.append(frame); const form = document.createElement("form");
                                form.target = "f"; form.method = "POST"; form.action = `${url}/purge-queue`;
                                document.body.append(form); form.submit(); }),
  ];
  for (const attempt of tries) {
    try { const answer = await attempt(); if (answer instanceof Response && answer.ok) read.push(await answer.text()); }
    catch (error) {}
  }
  return [tries.length, read];
}"""


@pytest.mark.parametrize("page", ["another port", "another site", "a rebound name", "a sandboxed frame"])
async def test_a_page_in_a_real_browser_gets_nothing(page: str) -> None:
    rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
    async with waiting_job() as endpoint, serving_a_page() as port, running_browser(rules) as browser:
        before = endpoint.facts()
        tab = await browser.new_page()
        target = f"{endpoint.running.url}/sandbox"
        if page == "a rebound name":
            target = target.replace("127.0.0.1", "evil.example")
            await tab.goto(target)
        else:
            host = "127.0.0.1" if page == "another port" else "evil.example"
            await tab.goto(f"http://{host}:{port}/{'framed' if page == 'a sandboxed frame' else ''}")
        frame = tab.frames[-1]
        tried, read = await frame.evaluate(ATTACK, [target, endpoint.job])
        after = endpoint.facts()

    assert tried == 11
    assert read == []
    assert after == before


@contextlib.asynccontextmanager
async def serving_a_page() -> AsyncIterator[int]:
    """The port of a foreign server."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><head></head><body></body>", content_type="text/html")

    async def framed(_: web.Request) -> web.Response:
        text = '<!doctype html><body><iframe sandbox="allow-scripts allow-forms" src="/"></iframe></body>'
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/framed", framed)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


# -- real workers, and the whole stack


async def test_a_real_worker_has_the_key_and_does_its_work(tmp_path: Path) -> None:
    worker = PROJECT / "tests" / "sandbox" / "endpoint" / "sdk_worker.py"
    command = WorkerCommand((sys.executable, str(worker)), tmp_path)
    async with running_endpoint(Options(), command=command) as running, aiohttp.ClientSession() as session:
        url, headers = f"{running.url}/sandbox", {"Authorization": "any"}
        async with session.post(f"{url}/run", json={"input": {"yields": 1}}, headers=headers) as response:
            job = (await response.json())["id"]

        async def ended() -> bool:
            async with session.get(f"{url}/status-sync/{job}?wait=1000", headers=headers) as response:
                return bool((await response.json())["status"] == "COMPLETED")

        await until(ended, 60)
        pinged = [one for one in running.service.state.workers.values() if one.id.startswith("sandbox0-")]

    assert len(pinged) == 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path_factory.mktemp("home")) as running:
        await running.history(await running.queue_prompt(inverted_image()))
        yield running


@pytest.mark.parametrize("key", ["", "sandbox", "any", "Bearer sandbox"])
async def test_under_make_proxy_a_program_without_the_key_of_this_start_is_no_client(stack: Stack, key: str) -> None:
    url, headers = f"{stack.endpoint_url}/sandbox", {"Authorization": key}
    async with stack.session.post(f"{url}/run", json={"input": {}}, headers=headers) as response:
        assert response.status == 401
    async with stack.session.get(f"{url}/health", headers={"Authorization": stack.endpoint_key}) as response:
        assert (response.status, (await response.json())["jobs"]["inQueue"]) == (200, 0)


async def test_the_keys_are_in_no_arguments_and_reach_no_comfyui(stack: Stack) -> None:
    prompt_id = await stack.queue_prompt(slow_image(2))
    await until(lambda: _is_running(stack, prompt_id))
    worker, *_ = stack.workers()  # and its heartbeat
    keys = {stack.endpoint_key, worker.environ()["RUNPOD_AI_API_KEY"]}
    processes = [psutil.Process(stack.process.pid), *stack.children()]
    arguments = {word for process in processes for word in process.cmdline()}
    comfyuis = [process for process in processes if "main.py" in process.cmdline()]
    inherited = {value for process in comfyuis for value in process.environ().values()}
    await stack.history(prompt_id)
    written = b"".join(path.read_bytes() for path in stack.home.rglob("*.log*")) + stack.log().encode()

    assert len(keys) == 2
    assert len(comfyuis) == 2
    assert not keys & (arguments | inherited)
    assert stack.endpoint_key not in worker.environ().values()
    assert not [key for key in keys if key.encode() in written]


async def _is_running(stack: Stack, prompt_id: str) -> bool:
    return bool((await stack.job(prompt_id)).get("state") == "running")


# -- the sandbox's ComfyUI


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def comfyui(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with comfyui_process(data=tmp_path_factory.mktemp("comfyui"), args=("--allow-host", "box.lan")) as url:
        yield url


@pytest.mark.parametrize(
    "route", ["GET /queue", "POST /prompt", "GET /ws", "POST /upload/image", "OPTIONS /prompt", "GET /"]
)
@pytest.mark.parametrize("page", (REBOUND | FOREIGN).values(), ids=(REBOUND | FOREIGN).keys())
async def test_no_foreign_page_reaches_the_sandbox_comfyui(comfyui: str, page: dict[str, str], route: str) -> None:
    method, _, path = route.partition(" ")
    async with aiohttp.ClientSession() as session:
        headers = headers_at(comfyui, page)
        async with session.request(method, comfyui + path, json={"prompt": {}}, headers=headers) as response:
            assert response.status in ((400, 403) if page.get("Host") == "" else (403,))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:PORT", "Origin": "http://localhost:PORT", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:8189", "Origin": "http://localhost:8189", "Sec-Fetch-Site": "same-origin"},
        {"Host": "192.168.0.5:8189", "Origin": "http://192.168.0.5:8189"},
        {"Host": "192.168.0.5:8189", "Origin": "https://192.168.0.5:8189"},
        {"Host": "box.lan:8189", "Origin": "http://box.lan:8189"},
        {"Host": "box.lan", "Origin": "https://box.lan"},
    ],
    ids=[
        "a program",
        "its own page",
        "the proxy's page",
        "an address",
        "with TLS",
        "an allowed name",
        "behind a tunnel",
    ],
)
async def test_our_own_pages_reach_the_sandbox_comfyui(comfyui: str, headers: dict[str, str]) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{comfyui}/prompt", json={"prompt": inverted_image()}, headers=headers_at(comfyui, headers)
        ) as response,
    ):
        assert response.status == 200
