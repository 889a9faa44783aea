"""What does not work just now, over all jobs: said once while it lasts, however many jobs meet it."""

import logging
from collections import defaultdict
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Troubles:
    """*notice* shows a toast in every page: severity, summary and detail."""

    def __init__(self, notice: Callable[[str, str, str], None]) -> None:
        self._notice = notice
        self._lasting: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """what cannot be done -> the jobs that meet it, and why"""
        self._noticed = set[str]()

    def report(self, job: str, doing: str, reason: str, failures: int) -> None:
        """*job* cannot do it for the time after *failures* others in a row; a single failure is not worth a toast."""
        reasons = self._lasting[doing]
        if reason not in reasons.values():
            logger.warning("%s: cannot %s, trying again: %s", job, doing, reason)
        reasons[job] = reason
        if failures and doing not in self._noticed:
            self._noticed.add(doing)
            self._notice("warn", f"Trying again to {doing}", reason)

    def over(self, job: str, doing: str | None = None) -> None:
        """*job* can do it again; without *doing*: the job has ended."""
        for name in [doing] if doing else list(self._lasting):
            reasons = self._lasting[name]
            if reasons.pop(job, None) is not None and not reasons:
                logger.info("%s: can %s again", job, name)
            if not reasons:
                del self._lasting[name]
                self._noticed.discard(name)
