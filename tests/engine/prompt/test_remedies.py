"""What the page is told of a prompt that the endpoint cannot run."""

import shlex
from types import MappingProxyType
from typing import Any

from engine.prompt.judgement import Judgement, MissingModel, NodeRemark
from engine.prompt.named_models import NamedModel
from engine.prompt.remedies import LocalModels, remedies, remedies_text
from tests.support.catalogs import endpoint

URL = "https://huggingface.co/a/b/resolve/main/x.pt"
MISSING = MissingModel("1", "CheckpointLoaderSimple", "ckpt_name", "checkpoints", "x.pt")


def told(
    *models: MissingModel, local: LocalModels = MappingProxyType({}), named: tuple[NamedModel, ...] = ()
) -> list[dict[str, Any]]:
    data = remedies(
        Judgement(models=models), endpoint(), local, named, prompt_id=None, refused=True, can_run_anyway=True
    )
    found: list[dict[str, Any]] = data["models"]
    return found


def test_a_missing_model_is_told_with_all_three_ways_out() -> None:
    (model,) = told(
        MISSING, local={"checkpoints": {"x.pt": 7}}, named=(NamedModel("checkpoints", "x.pt", URL, "a" * 64),)
    )

    assert model == {
        **{"node_id": "1", "class_type": "CheckpointLoaderSimple", "input": "ckpt_name", "kind": "checkpoints"},
        **{"name": "x.pt", "here": True, "size": 7, "like": None},
        "fetch": {"url": URL, "host": "huggingface.co", "size": None, "sha256": "a" * 64},
        "command": "scripts/sync-models.py ~/ComfyUI --include checkpoints/x.pt",
    }


def test_a_model_that_is_nowhere_has_no_way_out_but_the_command() -> None:
    (model,) = told(MISSING)

    assert (model["here"], model["size"], model["fetch"]) == (False, None, None)


def test_a_name_of_windows_is_the_same_file() -> None:
    (model,) = told(
        MISSING._replace(kind="loras", name="old\\l.safetensors"), local={"loras": {"old\\l.safetensors": 3}}
    )

    assert (model["here"], model["like"]) == (True, "sub/l.safetensors")


def test_a_hostile_name_stays_one_word_of_the_command() -> None:
    (model,) = told(MISSING._replace(name="$(rm -rf ~); [a]*.pt"))

    assert shlex.split(model["command"])[-1] == "checkpoints/$(rm -rf ~); [[]a][*].pt"


def test_the_sentence_names_a_model_once_and_counts_the_rest() -> None:
    models = [MISSING, MISSING._replace(node_id="2"), *(MISSING._replace(name=f"{n}.pt") for n in range(4))]
    text = remedies_text(Judgement(errors={"1": [{}], "2": [{}]}, models=tuple(models)))

    assert text.startswith("The endpoint has no x.pt in checkpoints. The endpoint has no 0.pt in checkpoints.")
    assert text.endswith("And 2 more.")


def test_what_is_only_a_doubt_is_told_as_one() -> None:
    doubts = {"4": [{"message": "Value not in list", "details": "mode: 'x' not in ['a']"}]}
    remark = NodeRemark("2", "KSampler", "KSampler is another version.")

    assert remedies_text(Judgement(models=(MISSING,))) == ("The endpoint may have no x.pt in checkpoints.")
    assert remedies_text(Judgement(doubts=doubts, differences=(remark,))) == remark.text
    assert "may refuse node 4: Value not in list" in remedies_text(Judgement(doubts=doubts))
