"""The lists of models that the page asks for."""

from engine.catalog.model_lists import (
    shown_embeddings,
    shown_files,
    shown_folders,
    shown_kinds,
    shown_models,
)
from wire.catalog import Catalog

NOTHING = Catalog()
KNOWN = Catalog(
    models={
        "checkpoints": {"sub/b.ckpt": 2, "a.ckpt": 1, "<img src=x onerror=alert(1)>": 3, "line\nbreak": 4},
        "embeddings": {"deep/style.v2.pt": 5, "plain.safetensors": 6},
        "gguf": {},
    }
)


def test_the_models_are_those_of_the_endpoint() -> None:
    assert shown_models(["mine.ckpt"], KNOWN, "checkpoints") == ["a.ckpt", "sub/b.ckpt"]
    assert shown_models(["mine.pt"], KNOWN, "vae") == []
    assert shown_embeddings(["mine"], KNOWN) == ["deep/style.v2", "plain"]


def test_this_machines_models_stay_while_the_endpoints_are_not_known() -> None:
    entry = {"name": "mine.ckpt", "pathIndex": 0}

    assert shown_models(["mine.ckpt"], NOTHING, "checkpoints") == ["mine.ckpt"]
    assert shown_embeddings(["mine"], NOTHING) == ["mine"]
    assert shown_files([entry], NOTHING, "checkpoints") == [entry]
    assert shown_kinds(["vae"], NOTHING) == ["vae"]


def test_a_kind_that_only_the_endpoint_has_comes_last() -> None:
    assert shown_kinds(["vae", "checkpoints"], KNOWN) == ["vae", "checkpoints", "embeddings", "gguf"]


def test_a_folder_has_the_shape_that_this_comfyui_gives_it() -> None:
    older = {"name": "checkpoints", "folders": ["/models/checkpoints"]}
    newer = {**older, "extensions": [".ckpt"]}

    assert shown_folders([older], KNOWN)[2] == {"name": "gguf", "folders": []}
    assert shown_folders([newer], KNOWN) == [
        newer,
        {"name": "embeddings", "folders": [], "extensions": []},
        {"name": "gguf", "folders": [], "extensions": []},
    ]


def test_a_file_that_both_have_keeps_its_place_on_this_machine_and_has_the_endpoints_size() -> None:
    here = {"name": "sub\\b.ckpt", "pathIndex": 3, "modified": 1.5, "created": 1.0, "size": 0}

    assert shown_files([here, "strange"], KNOWN, "checkpoints") == [
        {"name": "a.ckpt", "pathIndex": 0, "modified": 0, "created": 0, "size": 1},
        {"name": "sub/b.ckpt", "pathIndex": 3, "modified": 1.5, "created": 1.0, "size": 2},
    ]
