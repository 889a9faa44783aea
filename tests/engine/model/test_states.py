"""The table of states."""

import pytest

from engine.model.states import (
    ACTIVE,
    AT_ENDPOINT,
    ENDED,
    SHOWN_ACTIVE,
    TRANSITIONS,
    WAITING_HERE,
    IllegalTransition,
    JobState,
    public_state,
    require_transition,
)


def test_every_state_has_its_arrows() -> None:
    assert set(TRANSITIONS) == set(JobState)


def test_every_active_state_can_fail_and_every_ended_one_is_final() -> None:
    assert all(JobState.FAILED in TRANSITIONS[state] for state in ACTIVE)
    assert {state.value for state in ENDED} == {"completed", "failed", "cancelled"}


def test_a_job_is_never_submitted_twice_by_itself() -> None:
    submitters = {state for state, targets in TRANSITIONS.items() if JobState.SUBMITTING in targets}

    assert submitters == WAITING_HERE == {JobState.PENDING, JobState.RETURNED}
    assert not any(JobState.PENDING in TRANSITIONS[state] for state in AT_ENDPOINT)


def test_what_never_ran_comes_back_from_where_a_worker_can_say_so_and_nowhere_else() -> None:
    returning = {state for state, targets in TRANSITIONS.items() if JobState.RETURNED in targets}

    assert returning == {JobState.QUEUED, JobState.RUNNING}
    assert JobState.RETURNED not in AT_ENDPOINT


def test_a_move_without_an_arrow_is_our_bug() -> None:
    with pytest.raises(IllegalTransition, match="completed -> running"):
        require_transition(JobState.COMPLETED, JobState.RUNNING)


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (JobState.SUBMITTING, "pending"),
        (JobState.QUEUED, "pending"),
        (JobState.RETURNED, "pending"),
        (JobState.WITHDRAWING, "pending"),
        (JobState.CANCELLING, "running"),
    ],
)
def test_people_see_five_states(state: JobState, shown: str) -> None:
    assert public_state(state) == shown


def test_what_is_taken_back_is_gone_at_once_but_followed_until_it_is_confirmed() -> None:
    assert JobState.WITHDRAWING not in SHOWN_ACTIVE
    assert JobState.WITHDRAWING in AT_ENDPOINT
