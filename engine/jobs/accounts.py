"""Accounts: the tokens of Comfy accounts for the jobs that need them, in memory only, until the job has ended."""

from collections.abc import Iterable
from dataclasses import replace

from engine.model.job import Job
from engine.prompt.partner_nodes import NO_ACCOUNT, Account
from wire.ids import PromptId


class Accounts:
    def __init__(self) -> None:
        self._held: dict[PromptId, Account] = {}

    def hold(self, prompt_id: PromptId, account: Account) -> None:
        """An *account* without tokens is not held."""
        if account.tokens:
            self._held[prompt_id] = account

    def signed(self, job: Job) -> Job:
        """*job* with its tokens in ``extra_data``, as its worker gets it. It must not be stored."""
        held = self._held.get(job.prompt_id, NO_ACCOUNT)
        return replace(job, extra_data={**job.extra_data, **held.tokens})

    def forget(self, prompt_ids: Iterable[PromptId]) -> None:
        for prompt_id in prompt_ids:
            self._held.pop(prompt_id, None)
