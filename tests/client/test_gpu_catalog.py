"""RunPod's catalogue of GPUs: pools, prices, and a name that does not exist."""

import copy
from typing import Any

import pytest

from client.gpu_catalog import GpusUnreadable, read_pools, unknown_pool, usd_per_hour
from tests.support.rest_api import GPUS, complaints

POOLS = read_pools(GPUS)


def test_the_published_schema_is_read() -> None:
    assert not complaints("ListGpuTypesResponse", GPUS)
    assert list(POOLS) == ["ADA_24", "AMPERE_24", "HOPPER_141"]
    assert str(POOLS["AMPERE_24"]) == "AMPERE_24 (A5000, L4; 24 GB; $0.69/h)"
    assert POOLS["ADA_24"].datacenters == {"EU-RO-1", "US-KS-2"}
    assert POOLS["HOPPER_141"].types == {"NVIDIA H200"}


def test_a_pool_without_a_price_says_so() -> None:
    answer: Any = copy.deepcopy(GPUS)
    for gpu in answer["gpus"]:
        gpu["price"].pop("serverless", None)

    assert "price unknown" in str(read_pools(answer)["ADA_24"])
    assert usd_per_hour(["ADA_24"], read_pools(answer)) is None


def test_an_unknown_pool_is_named_beside_the_ones_that_there_are() -> None:
    problem = unknown_pool(["ADA_24", "ada_2"], POOLS)

    assert problem
    assert "there is no GPU pool ada_2; did you mean ADA_24?" in problem
    assert "HOPPER_141 (H200; 141 GB; $5.58/h)" in problem
    assert unknown_pool(["ADA_24", "HOPPER_141"], POOLS) is None


def test_several_pools_cost_as_much_as_the_dearest() -> None:
    assert usd_per_hour(["ADA_24", "HOPPER_141"], POOLS) == 5.58
    assert usd_per_hour(["ADA_24", "UNKNOWN"], POOLS) is None
    assert usd_per_hour([], POOLS) is None


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"gpus": "many"},
        {"gpus": [{"id": "x"}]},
        {"gpus": [{**GPUS["gpus"][0], "price": {"serverless": -1}}]},
        {"gpus": [GPUS["gpus"][0]] * 1001},
    ],
)
def test_what_is_not_a_catalogue_is_refused(answer: object) -> None:
    with pytest.raises(GpusUnreadable):
        read_pools(answer)


def test_a_name_cannot_steer_the_terminal() -> None:
    hostile = {"gpus": [{**GPUS["gpus"][0], "name": "RTX\x1b[2J\n4090"}]}

    assert "\x1b" not in str(read_pools(hostile)["ADA_24"])
    assert "\n" not in str(read_pools(hostile)["ADA_24"])
