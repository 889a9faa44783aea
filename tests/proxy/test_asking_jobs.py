"""Whose question a letter answers."""

from collections.abc import Iterable

import pytest

from engine.messages.translate import BrowserMessage
from proxy.asking_jobs import AskingJobs
from wire.comfy import CustomMessage, Message
from wire.ids import ClientId, PromptId

A, B = PromptId("job-a"), PromptId("job-b")
PAGE, OTHER = ClientId("page"), ClientId("another-page")
FIREFOX, CHROME = "Firefox", "Chrome"


class Pages:
    """Remembers what goes to pages; *open_in* has the browser of each page that is open."""

    def __init__(self) -> None:
        self.open_in = {PAGE: FIREFOX, OTHER: FIREFOX}
        self.sent: list[BrowserMessage] = []
        self.notices: list[str] = []
        self.changes = 0

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        self.sent += messages

    def publish_status(self) -> None:
        self.changes += 1

    def notice(self, severity: str, summary: str, detail: str) -> None:
        self.notices.append(summary)

    def browsers_of(self, client_id: ClientId) -> frozenset[str]:
        return frozenset({self.open_in[client_id]} if client_id in self.open_in else ())


class Talk:
    def __init__(self) -> None:
        self.pages = Pages()
        self.ended: list[PromptId] = []
        self.questions = AskingJobs(self.pages, self.ended.append)

    def says(self, job: PromptId, *messages: BrowserMessage, page: ClientId | None = PAGE) -> None:
        self.questions.publish(job, page, iter(messages))

    def starts(self, job: PromptId, node: str = "5", page: ClientId | None = PAGE) -> None:
        self.says(job, Message("execution_start", {"prompt_id": job}), page=page)
        self.runs(job, node, page)

    def runs(self, job: PromptId, node: str | None, page: ClientId | None = PAGE) -> None:
        self.says(job, Message("executing", {"node": node, "display_node": node, "prompt_id": job}), page=page)

    def asks(self, job: PromptId, page: ClientId | None = PAGE, **named: str) -> None:
        self.says(job, CustomMessage("chooser-asks", named), page=page)

    def addressee(self, *texts: str, browser: str = FIREFOX) -> PromptId | None:
        return self.questions.addressee(browser, frozenset(texts))


@pytest.fixture
def talk() -> Talk:
    return Talk()


def test_whatever_is_published_goes_to_the_pages(talk: Talk) -> None:
    talk.starts(A)
    talk.questions.publish_status()
    talk.questions.notice("info", "summary", "")

    assert [message.type for message in talk.pages.sent if isinstance(message, Message)] == [
        "execution_start",
        "executing",
    ]
    assert (talk.pages.changes, talk.pages.notices) == (1, ["summary"])


def test_nobody_is_meant_when_nothing_runs(talk: Talk) -> None:
    assert talk.addressee("5") is None
    talk.starts(A)
    talk.runs(A, None)
    assert talk.addressee("5") is None
    assert not talk.questions.any_running
    assert talk.ended == [A]


def test_the_only_job_is_meant_also_before_it_asks(talk: Talk) -> None:
    talk.starts(A)

    assert talk.addressee("-1", "__start__") == A
    assert not talk.questions.has_asked(A)


def test_the_job_that_asked_is_meant_although_another_one_began_later(talk: Talk) -> None:
    talk.starts(A)
    talk.asks(A, id="5")
    talk.starts(B, "7")

    assert talk.addressee("7") == A


def test_a_node_that_goes_on_has_its_answer(talk: Talk) -> None:
    for job in (A, B):
        talk.starts(job)
        talk.asks(job, id="5")
    talk.runs(B, "6")

    assert talk.addressee("5") == A
    assert not talk.questions.has_asked(B)


@pytest.mark.parametrize(("named", "meant"), [("5", A), ("9", B), ("graph-a", A), ("graph-b", B)])
def test_of_two_that_ask_the_one_that_the_letter_names_is_meant(talk: Talk, named: str, meant: PromptId) -> None:
    talk.starts(A, "5")
    talk.starts(B, "9")
    talk.asks(A, graph_id="graph-a")
    talk.asks(B, graph_id="graph-b")

    assert talk.addressee("chooser", named) == meant


def test_of_two_that_cannot_be_told_apart_the_one_that_asked_last_is_meant(talk: Talk) -> None:
    for job in (A, B):
        talk.starts(job)
        talk.asks(job, id="5")
    talk.asks(A, id="5", tick="29")  # it counts down: not another question

    assert talk.addressee("5") == B


def test_the_seconds_that_a_node_counts_down_are_no_names(talk: Talk) -> None:
    for job in (A, B):
        talk.starts(job)
        talk.asks(job, graph_id="graph")
    for left in range(30):
        talk.asks(A, graph_id="graph", tick=str(100 - left))

    assert talk.addressee("graph", "99") == B


def test_a_page_of_another_browser_answers_nothing_here(talk: Talk) -> None:
    talk.starts(A)
    talk.asks(A, id="5")

    assert talk.addressee("5", browser=CHROME) is None
    assert talk.addressee("5", browser=FIREFOX) == A


@pytest.mark.parametrize("page", [None, ClientId("closed")])
def test_a_job_whose_page_is_not_open_may_be_answered_from_anywhere(talk: Talk, page: ClientId | None) -> None:
    talk.starts(A, page=page)

    assert talk.addressee("5", browser="curl") == A


def test_a_job_of_the_same_browser_comes_first_also_when_it_has_not_asked(talk: Talk) -> None:
    talk.pages.open_in[OTHER] = CHROME
    talk.starts(A, page=OTHER)
    talk.asks(A, page=OTHER, id="5")
    talk.starts(B)

    assert talk.addressee("5") == B


def test_a_run_that_begins_again_asks_again(talk: Talk) -> None:
    talk.starts(A)
    talk.asks(A, id="5")
    talk.starts(A)

    assert not talk.questions.has_asked(A)


def test_a_message_that_nobody_understands_harms_no_job(talk: Talk) -> None:
    talk.starts(A)
    talk.says(
        A, Message("executing", {"node": {"odd": [1]}}), CustomMessage("x", None), CustomMessage("y", {"a": [{}]})
    )

    assert talk.addressee("5") == A
