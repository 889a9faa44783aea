"""The comparison with the known failures: what is new and what is mended both count."""

import pytest

from tests.comfyui_own.both_ends import parsed
from tests.comfyui_own.verdict import judged, known_failures, outcomes

REPORT = """<testsuites><testsuite>
  <testcase classname="tests.execution.test_execution.TestExecution" name="test_good[server0]"/>
  <testcase classname="tests.execution.test_execution.TestExecution" name="test_bad[server0]"><failure/></testcase>
  <testcase classname="tests.execution.test_execution.TestExecution" name="test_bad[server1]"><error/></testcase>
  <testcase classname="tests.execution.test_execution.TestExecution" name="test_skipped"><skipped/></testcase>
</testsuite></testsuites>"""
FOUND = {
    "TestExecution::test_good[server0]": True,
    "TestExecution::test_bad[server0]": False,
    "TestExecution::test_bad[server1]": False,
}
BAD = "TestExecution::test_bad[server0]: only the endpoint knows\nTestExecution::test_bad[server1]: the same"


def test_a_report_says_of_each_test_whether_it_passed() -> None:
    assert outcomes(REPORT) == FOUND


@pytest.mark.parametrize(
    ("known", "unexpected", "mended"),
    [
        (BAD, (), ()),
        ("", ("TestExecution::test_bad[server0]", "TestExecution::test_bad[server1]"), ()),
        ("TestExecution::test_bad[server0]: why", ("TestExecution::test_bad[server1]",), ()),
        (f"{BAD}\nTestExecution::test_good[server0]: why", (), ("TestExecution::test_good[server0]",)),
        (f"# a comment\n{BAD}\nTestExecution::test_gone: why", (), ("TestExecution::test_gone",)),
    ],
)
def test_a_new_failure_and_a_mended_one_are_both_an_error(
    known: str, unexpected: tuple[str, ...], mended: tuple[str, ...]
) -> None:
    verdict = judged(FOUND, known_failures(known))

    assert (verdict.unexpected, verdict.mended) == (unexpected, mended)
    assert verdict.is_good is (not unexpected and not mended)


def test_a_run_without_tests_is_not_good() -> None:
    assert not judged({}, {}).is_good


def test_the_product_takes_the_port_and_each_comfyui_the_rest() -> None:
    told = "--output-directory o --listen 127.0.0.1 --port 7 --extra-model-paths-config a.yaml --cpu --cache-lru 100"

    assert parsed(told.split()) == (7, ("--extra-model-paths-config", "a.yaml", "--cpu", "--cache-lru", "100"))
