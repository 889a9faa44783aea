"""What is known of the endpoints, and who learns of a change."""

from engine.catalog.catalogs import Catalogs, KnownCatalog
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


WORKERS = Catalog(models={"vae": {"image.pt": 1, "old.pt": 2}}, on_volume={"vae": ("old.pt",)})


def models(catalogs: Catalogs) -> list[str]:
    known = catalogs.current()
    assert known is not None
    return sorted(known.catalog.models.get("vae", ()))


def test_the_newer_of_the_worker_and_of_the_listing_knows_what_lies_on_the_volume() -> None:
    now = [1]
    catalogs = Catalogs(("one",), lambda: now[0])
    catalogs.received("one", WORKERS, OLD)
    now[0] = 2
    catalogs.listed({"vae": {"new.pt": 3}})
    listed = models(catalogs)
    now[0] = 3
    catalogs.received("one", WORKERS, NEW)  # it may have fetched a model since the listing
    both = models(catalogs)
    now[0] = 4
    catalogs.listed({"vae": {"new.pt": 3}})

    assert listed == ["image.pt", "new.pt"]
    assert both == ["image.pt", "new.pt", "old.pt"]
    assert models(catalogs) == ["image.pt", "new.pt"]
    assert (told := catalogs.told("one")) is not None
    assert told.catalog == WORKERS


def test_a_listing_that_shows_nothing_new_is_not_told() -> None:
    told = list[str]()
    catalogs = Catalogs(("one",), lambda: 0)
    catalogs.on_change(lambda: told.append("changed"))
    for _ in range(3):
        catalogs.listed({"vae": {"a.pt": 1}})

    assert told == ["changed"]
    assert (known := catalogs.current()) is not None
    assert (known.source, known.sha256) == ("volume", "")


def test_an_older_worker_does_not_confirm_what_a_new_image_told() -> None:
    now = [1]
    catalogs = Catalogs(("one",), lambda: now[0])
    catalogs.received("one", WORKERS.model_copy(update={"gpu": "L4"}), OLD)
    catalogs.take(KnownCatalog("one", Catalog(comfyui="2"), NEW, 5, "image"))
    now[0] = 9
    for sha256 in (OLD, NEW):
        catalogs.confirmed("one", sha256)

    assert (known := catalogs.current()) is not None
    assert (known.source, known.confirmed_ms, known.catalog.gpu) == ("image", 5, "L4")
    assert models(catalogs) == ["old.pt"]
