"""The tokens of Comfy accounts, from the page to the job, and nowhere else."""

from pathlib import Path

from engine.jobs.accounts import Accounts
from engine.prompt.partner_nodes import NO_ACCOUNT, Account
from engine.store.jobs import JobStore
from tests.support.jobs import added

TOKENS = {"api_key_comfy_org": "key"}


def test_a_job_has_its_tokens_until_it_has_ended(tmp_path: Path) -> None:
    accounts = Accounts()
    with JobStore(tmp_path / "jobs.sqlite") as store:
        one, other = store.get(added(store, "one")), store.get(added(store, "other"))
    accounts.hold(one.prompt_id, Account(TOKENS))
    accounts.hold(other.prompt_id, NO_ACCOUNT)
    signed = accounts.signed(one)
    accounts.forget([one.prompt_id, other.prompt_id])

    assert signed.extra_data == one.extra_data | TOKENS
    assert accounts.signed(other) == other
    assert accounts.signed(one) == one
