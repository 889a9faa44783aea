"""Copies of what a page posts to a node: the POST itself goes on as ever."""

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from mitmproxy import http

from proxy.addons.letters import Letters
from proxy.addons.streaming import Streaming
from proxy.asking_jobs import AskingJobs
from tests.proxy.addons.conftest import Upstream, running_front
from tests.proxy.test_asking_jobs import FIREFOX, PAGE, Pages
from tests.support.flows import answer, answered, asked
from wire.comfy import CustomMessage, Message
from wire.ids import PromptId
from wire.letters import LETTER_MAX, Letter

JOB = PromptId("job")
ANSWER = {"node_id": "5", "selected": [1]}


class Box:
    """Takes letters, or fails as it is told."""

    def __init__(self) -> None:
        self.letters: list[tuple[PromptId, Letter]] = []
        self.usable = True
        self.failure: Exception | None = None

    def post(self, prompt_id: PromptId, letter: Letter) -> None:
        if self.failure is not None:
            raise self.failure
        self.letters.append((prompt_id, letter))


class Bed:
    def __init__(self) -> None:
        self.box, self.pages = Box(), Pages()
        self.questions = AskingJobs(self.pages, lambda _: None)
        self.run = "run-one"
        self.addon = Letters(self.questions, self.box, lambda _: self.run)

    def starts(self) -> None:
        messages = (
            Message("execution_start", {"prompt_id": JOB}),
            Message("executing", {"node": "5", "prompt_id": JOB}),
            CustomMessage("chooser-asks", {"id": "5"}),
        )
        self.questions.publish(JOB, PAGE, messages)

    def posts(self, path: str = "/chooser/answer", body: object = ANSWER, method: str = "POST", **more: str) -> Any:
        headers = {"User_Agent": FIREFOX, "Content_Type": "application/json", **more}
        flow = asked(method, path, body, **headers)
        Streaming().requestheaders(flow)
        self.addon.requestheaders(flow)
        self.addon.request(flow)
        return flow


@pytest.fixture
def bed() -> Bed:
    bed = Bed()
    bed.starts()
    return bed


def test_a_post_to_a_node_is_copied_and_goes_on(bed: Bed) -> None:
    flow = bed.posts("/api/chooser/answer?x=%20y")

    ((job, letter),) = bed.box.letters
    assert job == JOB
    assert (letter.path, letter.content_type, letter.run) == (
        "/api/chooser/answer?x=%20y",
        "application/json",
        "run-one",
    )
    assert letter.content() == flow.request.raw_content
    assert flow.response is None


def test_no_header_of_the_page_travels_but_the_type(bed: Bed) -> None:
    bed.posts(Cookie="c=secret", Authorization="Bearer secret", Comfy_User="me", Referer="http://127.0.0.1:8189/")

    ((_, letter),) = bed.box.letters
    assert set(letter.model_dump()) == {"id", "run", "path", "content_type", "body"}
    assert "secret" not in letter.model_dump_json()


@pytest.mark.parametrize(
    "path",
    [
        *("/upload/image", "/api/queue", "/prompt", "/interrupt", "/runpod/api/jobs/x/cancel", "/settings/x"),
        *("/customnode/install/git_url", "/x/../prompt", "//prompt", "/%70rompt", "/pack/reboot"),
    ],
)
def test_what_is_not_for_a_node_is_not_copied(bed: Bed, path: str) -> None:
    bed.posts(path)

    assert bed.box.letters == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_but_a_post_is_copied(bed: Bed, method: str) -> None:
    bed.posts(method=method)

    assert bed.box.letters == []


@pytest.mark.parametrize("headers", [{"Content_Encoding": "gzip"}, {"Upgrade": "websocket"}, {"User_Agent": "Chrome"}])
def test_a_body_that_is_packed_or_a_page_of_another_browser_is_not_copied(bed: Bed, headers: dict[str, str]) -> None:
    bed.posts(**headers)

    assert bed.box.letters == []


def test_without_a_job_or_a_box_a_body_passes_as_it_comes() -> None:
    idle, boxless = Bed(), Bed()
    boxless.starts()
    boxless.box.usable = False

    assert [idle.posts().request.stream, boxless.posts().request.stream] == [True, True]
    assert idle.box.letters == boxless.box.letters == []


def test_a_job_whose_worker_has_said_nothing_gets_no_letter(bed: Bed) -> None:
    bed.run = ""
    bed.posts()

    assert bed.box.letters == []


def test_a_request_that_was_refused_is_not_copied(bed: Bed) -> None:
    flow = answered(asked("POST", "/chooser/answer", ANSWER, User_Agent=FIREFOX), {}, 403)
    bed.addon.requestheaders(flow)
    bed.addon.request(flow)

    assert bed.box.letters == []


def test_a_letter_that_fails_breaks_no_post(bed: Bed) -> None:
    bed.box.failure = RuntimeError("a bug")

    assert bed.posts().response is None


def test_a_body_that_is_too_large_passes_as_it_comes_and_that_is_said(bed: Bed) -> None:
    flow = asked("POST", "/chooser/answer", bytes(LETTER_MAX + 1), User_Agent=FIREFOX)
    Streaming().requestheaders(flow)
    bed.addon.requestheaders(flow)
    streamed = flow.request.stream
    flow.request.raw_content = None  # as mitmproxy leaves it
    bed.addon.request(flow)

    assert streamed is True
    assert bed.box.letters == []
    assert bed.pages.notices == ["An answer is too large for RunPod"]


@pytest.mark.parametrize(("status", "shown"), [(404, 200), (405, 200), (200, 200), (400, 400), (500, 500)])
def test_a_local_comfyui_without_the_route_does_not_matter(bed: Bed, status: int, shown: int) -> None:
    flow = answered(bed.posts(), {"code": 1}, status)
    bed.addon.response(flow)

    assert answer(flow)[0] == shown


def test_an_unknown_route_stays_unknown_when_no_letter_was_sent() -> None:
    bed = Bed()
    flow = answered(bed.posts(), {}, 404)
    bed.addon.response(flow)

    assert answer(flow)[0] == 404


# -- through the front


Posted = Callable[..., Any]


@pytest.mark.parametrize("size", [0, 5, 100_000, LETTER_MAX])
async def test_comfyui_gets_the_same_body_as_the_letter(
    bed: Bed, upstream: Upstream, session: aiohttp.ClientSession, size: int
) -> None:
    async with (
        running_front(upstream.url, [Streaming(), bed.addon]) as url,
        session.post(f"{url}/chooser/answer", data=bytes(size), headers={"User-Agent": FIREFOX}) as response,
    ):
        assert response.status == 200

    assert upstream.bodies == [size]
    assert [letter.content() for _, letter in bed.box.letters] == [bytes(size)]


async def test_a_body_over_the_limit_arrives_at_comfyui_alone(
    bed: Bed, upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    async with (
        running_front(upstream.url, [Streaming(), bed.addon]) as url,
        session.post(f"{url}/chooser/answer", data=bytes(3 * LETTER_MAX), headers={"User-Agent": FIREFOX}) as response,
    ):
        assert response.status == 200

    assert upstream.bodies == [3 * LETTER_MAX]
    assert bed.box.letters == []
    assert bed.pages.notices == ["An answer is too large for RunPod"]


async def test_a_body_of_unknown_length_arrives_at_comfyui_alone(
    bed: Bed, upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    async def pieces() -> Any:
        yield b"one"
        yield b"two"

    async with (
        running_front(upstream.url, [Streaming(), bed.addon]) as url,
        session.post(f"{url}/chooser/answer", data=pieces(), headers={"User-Agent": FIREFOX}) as response,
    ):
        assert response.status == 200

    assert upstream.bodies == [6]
    assert bed.box.letters == []


def test_flows_of_websockets_are_left_alone(bed: Bed) -> None:
    flow: http.HTTPFlow = bed.posts("/ws", method="GET", Upgrade="websocket")

    assert flow.response is None
