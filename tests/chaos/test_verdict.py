"""The verdict on a run of chaos: what breaks a promise, and what is only counted."""

from dataclasses import replace

import pytest

from chaos.relay import Submission
from chaos.verdict import EndpointJob, Observed, StoredJob, judge

PROMPT, JOB = "prompt", "job"
ONE = Observed(
    submissions=[Submission(PROMPT, JOB)],
    endpoint={JOB: EndpointJob("COMPLETED", "worker", ("a", "b"))},
    stored={PROMPT: StoredJob("completed", None, (JOB,), 0)},
    disk={"a", "b", "somebody's"},
    litter=[],
    cancelled=set(),
    found=set(),
    killed_workers=set(),
)


def test_a_result_on_the_disk_is_saved() -> None:
    verdict = judge(ONE)

    assert verdict.kept
    assert verdict.saved == 2


@pytest.mark.parametrize(
    "seen",
    [
        replace(ONE, disk={"a"}),
        replace(ONE, submissions=[Submission(PROMPT, JOB), Submission(PROMPT, "second")]),
        replace(ONE, submissions=[*ONE.submissions, Submission(None, "refetch")]),
        replace(ONE, submissions=[*ONE.submissions, Submission("another", "unknown")]),
        replace(ONE, litter=[".0123.part"]),
        replace(ONE, endpoint={**ONE.endpoint, "refetch": EndpointJob("IN_PROGRESS", "worker")}),
        replace(ONE, stored={**ONE.stored, "another": StoredJob("running", None, (), 0)}),
        replace(ONE, disk=set(), killed_workers={"worker"}),  # it died, and yet the job is called completed
        replace(ONE, submissions=[], endpoint={}, stored={}),  # nothing was tried
    ],
)
def test_a_promise_is_broken(seen: Observed) -> None:
    assert not judge(seen).kept


def test_a_result_whose_only_copy_died_with_its_worker_is_counted_apart() -> None:
    seen = replace(
        ONE,
        submissions=[*ONE.submissions, Submission("other", "died")],
        endpoint={**ONE.endpoint, "died": EndpointJob("COMPLETED", "killed", ("c",))},
        stored={**ONE.stored, "other": StoredJob("failed", "missing: c", ("died",), 0)},
        killed_workers={"killed"},
    )

    assert judge(seen).kept
    assert judge(seen).died == ["other (died): 1 of 1 results"]


UNCERTAIN = StoredJob("failed", "may have been submitted", (), 1)


def test_an_uncertain_submission_that_no_worker_has_begun_is_only_counted() -> None:
    seen = replace(ONE, stored={**ONE.stored, "other": UNCERTAIN})

    assert judge(seen).kept
    assert judge(seen).uncertain == 1


def test_an_uncertain_submission_that_ran_must_be_found() -> None:
    unknown = replace(
        ONE,
        submissions=[*ONE.submissions, Submission("other", "unknown")],
        endpoint={**ONE.endpoint, "unknown": EndpointJob("COMPLETED", "worker", ("c",))},
        stored={**ONE.stored, "other": UNCERTAIN},
    )
    found = replace(unknown, disk={*ONE.disk, "c"}, found={"other"})

    assert not judge(unknown).kept
    assert judge(unknown).lost == ["other (unknown): 1 of 1 results"]
    assert judge(found).kept
    assert judge(found).found == 1


def test_a_refetch_whose_sending_was_uncertain_is_written_down() -> None:
    stored = {PROMPT: StoredJob("completed", None, (JOB,), 1)}
    seen = replace(ONE, submissions=[*ONE.submissions, Submission(None, "refetch")], stored=stored)

    assert judge(seen).kept
    assert judge(seen).refetches == 1


def test_what_a_worker_gave_back_unrun_is_no_second_submission() -> None:
    seen = replace(
        ONE,
        submissions=[Submission(PROMPT, "unrun"), *ONE.submissions],
        endpoint={"unrun": EndpointJob("COMPLETED", "worker", unrun=True), **ONE.endpoint},
        stored={PROMPT: StoredJob("completed", None, ("unrun", JOB), 0)},
    )

    assert judge(seen).kept


def test_what_the_person_stopped_need_not_be_saved() -> None:
    seen = replace(
        ONE,
        submissions=[*ONE.submissions, Submission("stopped", "faster")],
        endpoint={**ONE.endpoint, "faster": EndpointJob("COMPLETED", "worker", ("c",))},
        stored={**ONE.stored, "stopped": StoredJob("cancelled", None, ("faster",), 0)},
        cancelled={"stopped"},
    )

    assert judge(seen).kept
