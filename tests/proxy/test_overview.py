"""What a person is told first."""

import pytest

from engine.catalog.catalogs import Catalogs
from proxy.overview import first_steps
from wire.catalog import Catalog


def told(*catalogs: Catalog) -> Catalogs:
    known = Catalogs(["far"], lambda: 0)
    for catalog in catalogs:
        known.received("far", catalog, "sha")
    return known


@pytest.mark.parametrize("known", [told(), told(Catalog(models={"vae": {"a.pt": 1}}))])
def test_a_page_without_a_comfyui_says_how_it_gets_the_endpoints_nodes(known: Catalogs) -> None:
    assert "Nothing is known of the endpoint yet" in first_steps(known, stand_in=True)
    assert first_steps(known, stand_in=False) == ""


def test_a_page_that_has_the_endpoints_nodes_says_nothing() -> None:
    assert first_steps(told(Catalog(nodes={"A": {}})), stand_in=True) == ""
