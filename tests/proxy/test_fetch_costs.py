"""What a person is told before a worker fetches a model."""

import pytest

from engine.catalog.approved_models import ApprovedModel
from proxy.fetch_costs import FetchCosts

MODEL = ApprovedModel(kind="vae", name="x.pt", url="https://huggingface.co/a/b", size=6_000_000_000)


@pytest.mark.parametrize(("price", "cost"), [(0.6, 0.01), (0.0, None)])
def test_minutes_and_cost_follow_from_the_size_and_the_price(price: float, cost: float | None) -> None:
    told = FetchCosts(price, lambda: True).told([MODEL])

    assert told["models"] == [
        {
            **{"kind": "vae", "name": "x.pt", "host": "huggingface.co", "size": 6_000_000_000},
            **{"to": "volume", "minutes": 1.0, "cost_usd": cost},
        }
    ]
    assert ("6.0 GB, about 1 min of a worker's time, about $0.01." in told["text"]) == (cost is not None)


def test_without_a_volume_it_is_said_that_the_model_goes_with_the_worker() -> None:
    told = FetchCosts(0.0, lambda: False).told([MODEL])

    assert told["models"][0]["to"] == "worker"
    assert "it goes with the worker" in told["text"]


def test_a_host_that_does_not_tell_the_size_is_not_guessed() -> None:
    told = FetchCosts(0.6, lambda: True).told([MODEL.model_copy(update={"size": None})])

    assert (told["models"][0]["minutes"], told["models"][0]["cost_usd"]) == (None, None)
    assert told["text"].endswith("Its host does not say how large it is.")


def test_a_small_model_is_not_said_to_be_nothing() -> None:
    told = FetchCosts(0.6, lambda: True).told([MODEL.model_copy(update={"size": 300_000})])

    assert told["text"].endswith("1 MB, about 1 min of a worker's time, less than $0.01.")
