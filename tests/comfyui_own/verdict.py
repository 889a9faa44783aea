"""What a run of ComfyUI's own tests says, compared with the failures that are known, each with its reason. Pure."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

Outcomes = Mapping[str, bool]
"""test -> whether it passed"""


@dataclass(frozen=True, slots=True)
class Verdict:
    passed: int
    known: Mapping[str, str]
    """the tests that failed as they should, and why"""
    unexpected: tuple[str, ...]
    """failed, and should not"""
    mended: tuple[str, ...]
    """passed, or were not run, although they are known to fail"""

    @property
    def is_good(self) -> bool:
        return self.passed > 0 and not self.unexpected and not self.mended


def outcomes(report: str) -> dict[str, bool]:
    """The tests of a JUnit *report*, by class and name; those that were skipped are left out."""
    found: dict[str, bool] = {}
    for case in ET.fromstring(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        if case.find("skipped") is None:
            found[name] = case.find("failure") is None and case.find("error") is None and found.get(name, True)
    return found


def known_failures(text: str) -> dict[str, str]:
    """The lines ``test: reason`` of *text*."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: reason for name, _, reason in (line.partition(": ") for line in lines)}


def judged(found: Outcomes, known: Mapping[str, str]) -> Verdict:
    """Each of the *known* failures must have been run, and must have failed."""
    return Verdict(
        passed=sum(found.values()),
        known={name: reason for name, reason in known.items() if not found.get(name, True)},
        unexpected=tuple(name for name, passed in found.items() if not passed and name not in known),
        mended=tuple(name for name in known if found.get(name, True)),
    )
