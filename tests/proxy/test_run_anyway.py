"""A page's leave to run a prompt that the catalog speaks against: once, and not for long."""

from proxy.run_anyway import VALID_S, RunAnyway
from wire.ids import ClientId

PAGE, OTHER = ClientId("page"), ClientId("other")


class Clock:
    now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


def test_a_leave_is_for_one_page_and_its_next_prompt() -> None:
    anyway = RunAnyway(Clock())
    anyway.allow(PAGE)
    allowed = [anyway.is_allowed(page) for page in (PAGE, OTHER, None)]
    anyway.used(PAGE)

    assert allowed == [True, False, False]
    assert not anyway.is_allowed(PAGE)


def test_a_leave_expires() -> None:
    clock = Clock()
    anyway = RunAnyway(clock)
    anyway.allow(PAGE)
    clock.now_s += VALID_S

    assert not anyway.is_allowed(PAGE)


def test_of_many_pages_the_oldest_are_forgotten() -> None:
    anyway = RunAnyway(Clock())
    for number in range(1_001):
        anyway.allow(ClientId(str(number)))

    assert [anyway.is_allowed(ClientId(name)) for name in ("0", "1", "1000")] == [False, True, True]
