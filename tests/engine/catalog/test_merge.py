"""What the page sees of a node class, and what judges it."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.merge import ONLY_HERE, ONLY_THERE, choices, merged_class, merged_nodes
from wire.catalog import Catalog


def info(name: str, required: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    """As ComfyUI's /object_info describes a class."""
    return {
        "input": {"required": required or {}},
        "input_order": {"required": list(required or {})},
        "output": ["IMAGE"],
        "output_is_list": [False],
        "output_name": ["IMAGE"],
        "name": name,
        "display_name": name,
        "description": "",
        "python_module": "nodes",
        "category": "image",
        "output_node": False,
    } | others


def catalog(*infos: dict[str, Any], **others: Any) -> Catalog:
    return Catalog(nodes={one["name"]: one for one in infos}, **others)


UPLOAD = {"image_upload": True}
LOADERS = {
    "LoadImage": info("LoadImage", {"image": [["mine.png"], UPLOAD]}),
    "LoadVideo": info("LoadVideo", {"file": ["COMBO", {"options": ["mine.mp4"], "video_upload": True}]}),
}


def offered(merged: dict[str, Any] | None, name: str) -> list[Any] | None:
    assert merged is not None
    return choices(merged["input"]["required"][name])


def test_the_endpoint_describes_a_class_that_both_have() -> None:
    here = info("KSampler", {"steps": ["INT", {"max": 10}]}, display_name="Old")
    there = info(
        "KSampler", {"steps": ["INT", {"max": 99}]}, display_name="New", essentials_category="x", later={"a": 1}
    )

    assert merged_class("KSampler", here, catalog(there)) == there


def test_the_files_of_a_loader_stay_those_of_this_machine() -> None:
    there = info("LoadImage", {"image": [[], {**UPLOAD, "tooltip": "new"}]})
    merged = merged_class("LoadImage", LOADERS["LoadImage"], catalog(there))

    assert merged is not None
    assert merged["input"]["required"]["image"] == [["mine.png"], {**UPLOAD, "tooltip": "new"}]


def test_a_file_input_is_known_by_either_side() -> None:
    there = info("LoadImage", {"image": [["left there.png"]]})

    assert offered(merged_class("LoadImage", LOADERS["LoadImage"], catalog(there)), "image") == ["mine.png"]


def test_an_unmarked_loader_offers_the_files_of_this_machine() -> None:
    here, there = (info("LoadLatent", {"latent": [[file]]}) for file in ("mine.latent", "there.latent"))

    assert offered(merged_class("LoadLatent", here, catalog(there)), "latent") == ["mine.latent"]


@pytest.mark.parametrize(
    ("here", "there", "offered_here"),
    [
        (["mine.mp4"], ["left there.mp4"], ["mine.mp4"]),
        (["none", "mine.mp4", "mine.png"], ["none"], ["none", "mine.mp4", "mine.png"]),
        (["mine.mp4", "Arial.ttf"], ["Arial.ttf"], ["mine.mp4", "Arial.ttf"]),
        (["mine.mp4", "only here"], ["none"], ["none"]),
        (["font.ttf"], ["other.ttf"], ["other.ttf"]),
        ([], ["left there.mp4"], ["left there.mp4"]),
    ],
)
def test_an_input_that_lists_the_input_folder_unmarked_offers_the_files_of_this_machine(
    here: list[str], there: list[str], offered_here: list[str]
) -> None:
    local = {**LOADERS, "Video": info("Video", {"video": [here]})}

    assert offered(merged_nodes(local, catalog(info("Video", {"video": [there]})))["Video"], "video") == offered_here


def test_an_input_that_lists_models_is_not_taken_for_one_of_files() -> None:
    local = {**LOADERS, "Loader": info("Loader", {"model": [["mine.png"]]})}
    known = catalog(info("Loader", {"model": [["a.ckpt"]]}), model_inputs={"Loader": {"model": "checkpoints"}})

    assert offered(merged_nodes(local, known)["Loader"], "model") == ["a.ckpt"]


def test_a_class_that_only_the_endpoint_has_says_so() -> None:
    merged = merged_class("New", None, catalog(info("New", description="Makes things.")))

    assert merged == info("New", description=f"{ONLY_THERE} Makes things.")


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ([["there.png"], UPLOAD], ["mine.png"]),
        (["COMBO", {"options": [], "video_upload": True}], ["mine.mp4"]),
        (["COMBO", {"options": ["there.wav"], "audio_upload": True}], []),
        (["WEBCAM", {}], None),
        (["COMBO", {"remote": {"route": "/internal/files/output"}, "image_upload": True}], None),
    ],
)
def test_its_files_are_the_ones_that_a_loader_of_this_machine_offers(spec: list[Any], expected: object) -> None:
    merged = merged_class("New", None, catalog(info("New", {"file": spec})), LOADERS)

    assert offered(merged, "file") == expected


def test_a_class_that_only_this_machine_has_says_so() -> None:
    merged = merged_class("Mine", info("Mine", description="Makes things."), catalog(info("Other")))

    assert merged == info("Mine", description=f"{ONLY_HERE} Makes things.")


def test_a_class_that_nobody_has_is_not_shown() -> None:
    assert merged_class("None", None, catalog(info("Other"))) is None


def test_models_that_have_come_since_the_endpoint_described_its_nodes_are_offered() -> None:
    there = info("Loader", {"ckpt_name": [["b.ckpt", "None"]], "vae": ["COMBO", {"options": []}], "free": ["STRING"]})
    kinds = {"Loader": {"ckpt_name": "checkpoints", "vae": "vae", "free": "vae", "gone": "vae"}}
    models = {"checkpoints": {"a.ckpt": 1, "b.ckpt": 1}, "vae": {"v.pt": 1}}
    merged = merged_class("Loader", None, catalog(there, model_inputs=kinds, models=models))

    assert offered(merged, "ckpt_name") == ["b.ckpt", "None", "a.ckpt"]
    assert offered(merged, "vae") == ["v.pt"]


def test_only_models_are_known_of_an_endpoint_that_has_not_described_its_nodes() -> None:
    here = info("Loader", {"ckpt_name": [["mine.ckpt", "None"]], "vae": [["mine.pt"]], "size": ["INT", {}]})
    known = Catalog(
        model_inputs={"Loader": {"ckpt_name": "checkpoints", "vae": "vae"}}, models={"checkpoints": {"a": 1}}
    )
    before = copy.deepcopy(here)
    merged = merged_class("Loader", here, known)

    assert offered(merged, "ckpt_name") == ["a", "None"]
    assert offered(merged, "vae") == ["mine.pt"]
    assert here == before


def test_a_malformed_definition_does_not_hide_the_one_of_this_machine() -> None:
    here = info("Node")

    assert merged_class("Node", here, catalog(info("Node") | {"category": 5})) == here


@pytest.mark.parametrize("strange", [{"input": ["x"]}, {"input": {"required": 3}}, {"input": None}, {}])
def test_a_strange_definition_of_this_machine_harms_nothing(strange: dict[str, Any]) -> None:
    there = info("Node", {"image": [["a.png"], UPLOAD]})

    assert offered(merged_class("Node", strange, catalog(there)), "image") == []
    assert merged_class("Node", strange, catalog(info("Other"))) == {**strange, "description": ONLY_HERE}
    assert merged_class("Node", strange, Catalog(model_inputs={"Node": {"image": "x"}}, models={"x": {}})) == strange


_NAMES = st.sampled_from(["A", "B", "C", "LoadImage", "LoadLatent"])
_CHOICES = st.lists(st.sampled_from(["a.png", "b.ckpt", "None", "euler", 3, "<none>", "x=1"]), max_size=4)
_OPTIONS = st.fixed_dictionaries({}, optional={"image_upload": st.just(True), "tooltip": st.text(max_size=5)})
_SPECS = st.one_of(
    st.builds(lambda offered, options: [offered, options], _CHOICES, _OPTIONS),
    st.builds(lambda offered, options: ["COMBO", {**options, "options": offered}], _CHOICES, _OPTIONS),
    st.builds(lambda least, more: ["INT", {"min": least, "max": least + more}], st.integers(), st.integers(0, 9)),
    st.sampled_from([["IMAGE"], ["STRING", {"default": "x"}], "MODEL"]),
)
_INPUTS = st.dictionaries(st.sampled_from(["image", "latent", "ckpt_name", "mode"]), _SPECS)
_INFOS = st.dictionaries(_NAMES, _INPUTS).map(
    lambda found: {name: info(name, inputs) for name, inputs in found.items()}
)
_MODELS = st.dictionaries(st.just("checkpoints"), st.dictionaries(st.sampled_from(["a.ckpt", "b.ckpt"]), st.just(1)))
_KINDS = st.dictionaries(_NAMES, st.just({"ckpt_name": "checkpoints"}))
_CATALOGS = st.builds(
    lambda nodes, models, kinds: Catalog(nodes=nodes, models=models, model_inputs=kinds), _INFOS, _MODELS, _KINDS
)


@given(_INFOS, _CATALOGS)
def test_nothing_of_the_endpoint_is_lost(local: dict[str, Any], known: Catalog) -> None:
    """But for the names of files in its folders, in whose place are the ones of this machine."""
    merged = merged_nodes(local, known)

    assert set(merged) == {*local, *known.nodes}
    for name, there in known.nodes.items():
        shown = merged[name]
        assert {**shown, "input": 0, "description": 0} == {**there, "input": 0, "description": 0}
        for key, spec in there["input"]["required"].items():
            if not _names_files(local, known, name, key):
                assert set(map(repr, choices(spec) or [])) <= set(map(repr, offered(shown, key) or []))


@given(_INFOS, _CATALOGS)
def test_the_endpoint_accepts_every_value_that_is_offered(local: dict[str, Any], known: Catalog) -> None:
    """It accepts what it described, models that lie there meanwhile, and this machine's files, which are sent along."""
    merged = merged_nodes(local, known)

    for name, there in known.nodes.items():
        for key, spec in there["input"]["required"].items():
            models = known.models.get(known.model_inputs.get(name, {}).get(key, ""), {})
            is_sent = _names_files(local, known, name, key)
            for value in offered(merged[name], key) or []:
                assert is_sent or value in models or value in (choices(spec) or [])


def _names_files(local: dict[str, Any], known: Catalog, name: str, key: str) -> bool:
    """Whether one side marks the input, or this machine's choices for it are among the files of its loaders."""
    here, there = (side.get(name, {}).get("input", {}).get("required", {}).get(key) for side in (local, known.nodes))
    marked = any(spec and isinstance(spec[-1], dict) and spec[-1].get("image_upload") for spec in (here, there))
    files = choices(local.get("LoadImage", {}).get("input", {}).get("required", {}).get("image")) or []
    unmarked = key not in known.model_inputs.get(name, {}) and any(one in files for one in choices(here) or [])
    return marked or (name, key) == ("LoadLatent", "latent") or unmarked
