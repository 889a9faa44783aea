"""The counter rule by asking: the same names as by listing, with few questions."""

from hypothesis import given
from hypothesis import strategies as st

from engine.files.remote_naming import RemoteNames
from engine.model.naming import local_names


@given(st.integers(0, 5000), st.integers(1, 9), st.sampled_from(["_.png", "_.flac"]))
async def test_the_end_is_found_with_few_questions(there: int, count: int, rest: str) -> None:
    taken, asked = {f"x_{number:05}{rest}" for number in range(1, there + 1)}, []

    async def is_there(name: str) -> bool:
        asked.append(name)
        return name in taken

    wanted = [f"x_{number:05}{rest}" for number in range(1, count + 1)]
    chosen = await RemoteNames(is_there).choose([*wanted, "report.txt"])

    assert chosen == [*local_names(wanted, taken), "report.txt"]
    assert len(asked) <= 28 * count
