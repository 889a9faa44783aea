"""What is known of the endpoints, and who learns of a change."""

from engine.catalog.catalogs import Catalogs
from wire.catalog import Catalog

OLD, NEW = "a" * 64, "b" * 64


def test_the_first_endpoint_that_is_known_counts() -> None:
    catalogs = Catalogs(("one", "two"), lambda: 0)
    assert catalogs.current() is None

    catalogs.received("two", Catalog(comfyui="2"), OLD)
    assert (catalogs.current() or catalogs.of("none")).endpoint_id == "two"  # type: ignore[union-attr]
    catalogs.received("one", Catalog(comfyui="1"), OLD)

    assert (catalogs.current() or catalogs.of("none")).endpoint_id == "one"  # type: ignore[union-attr]


def test_a_change_is_told_and_a_confirmation_is_not() -> None:
    now, told = [1], list[str]()
    catalogs = Catalogs(("one",), lambda: now[0])
    catalogs.on_change(lambda: told.append("changed"))
    catalogs.received("one", Catalog(), OLD)
    now[0] = 9
    catalogs.confirmed("one", NEW)
    assert (known := catalogs.of("one")) is not None
    assert known.confirmed_ms == 1

    catalogs.confirmed("one", OLD)

    assert (known := catalogs.of("one")) is not None
    assert known.confirmed_ms == 9
    assert told == ["changed"]
