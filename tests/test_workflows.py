"""The samples: both forms agree, the model-free ones run, the others lack nothing but their models."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.comfyui import comfyui_process
from tests.support.stack import PROJECT
from tests.support.until import until

FOLDER = PROJECT / "workflows"
NAMES = sorted(path.name.removesuffix(".api.json") for path in FOLDER.glob("*.api.json"))
MODEL_FREE = ("blend", "invert", "load-image")
MODEL_FILES = (".safetensors", ".pth", ".ckpt", ".gguf")
PAGE_ONLY = {"KSampler": (1, "fixed"), "LoadImage": (1, "image")}
"""the widget that only the page has, and where: what a seed does after a run, the upload button"""


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def as_prompt(graph: dict[str, Any], widgets: dict[str, list[str]]) -> dict[str, Any]:
    """The graph in API format; *widgets* names each node's widgets, which only their order tells in a graph."""
    sources = {link[0]: [str(link[1]), link[2]] for link in graph["links"]}
    return {str(node["id"]): _posted(node, widgets[str(node["id"])], sources) for node in graph["nodes"]}


def _posted(node: dict[str, Any], widgets: list[str], sources: dict[int, list[Any]]) -> dict[str, Any]:
    values = list(node["widgets_values"])
    if node["type"] in PAGE_ONLY:
        at, value = PAGE_ONLY[node["type"]]
        assert values.pop(at) == value
    linked = {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
    return {"class_type": node["type"], "inputs": linked | dict(zip(widgets, values, strict=True))}


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_are_the_same_graph(name: str) -> None:
    prompt, graph = load(f"{name}.api.json"), load(f"{name}.json")
    posted = {key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in prompt.items()}
    widgets = {
        key: [name for name, value in node["inputs"].items() if not isinstance(value, list)]
        for key, node in prompt.items()
    }

    assert as_prompt(graph, widgets) == posted


@pytest.mark.parametrize("name", NAMES)
def test_a_link_is_the_same_in_the_list_and_at_both_its_ends(name: str) -> None:
    graph = load(f"{name}.json")
    starts = {
        (link, node["id"], at, slot["type"])
        for node in graph["nodes"]
        for at, slot in enumerate(node["outputs"])
        for link in slot["links"] or ()
    }
    ends = {
        (slot["link"], node["id"], at, slot["type"])
        for node in graph["nodes"]
        for at, slot in enumerate(node["inputs"])
        if slot["link"] is not None
    }

    assert starts == {(link, node, slot, kind) for link, node, slot, _, _, kind in graph["links"]}
    assert ends == {(link, node, slot, kind) for link, _, _, node, slot, kind in graph["links"]}
    assert graph["last_link_id"] == max(link for link, *_ in graph["links"])
    assert graph["last_node_id"] == max(node["id"] for node in graph["nodes"])


@pytest.mark.parametrize("name", NAMES)
def test_every_workflow_and_model_file_is_in_the_readme(name: str) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert f"`{name}`" in readme
    assert all(f"| `{model}` |" in readme for model in models(load(f"{name}.api.json")))


def models(prompt: dict[str, Any], infos: dict[str, Any] | None = None) -> Iterator[str]:
    """All model files; with *infos*, those that every release checks: 0.3.64 checks combos of the older form only."""
    for node in prompt.values():
        for name, value in node["inputs"].items():
            is_model = isinstance(value, str) and value.endswith(MODEL_FILES)
            if is_model and (
                infos is None or isinstance(infos[node["class_type"]]["input"]["required"][name][0], list)
            ):
                yield value


async def post(session: aiohttp.ClientSession, url: str, name: str) -> tuple[int, Any]:
    async with session.post(url + "/prompt", json={"prompt": load(f"{name}.api.json")}) as response:
        return response.status, await response.json()


def with_example(data: Path) -> Path:
    (data / "input").mkdir(parents=True)
    (data / "input" / "example.png").write_bytes((FOLDER / "input" / "example.png").read_bytes())
    return data


async def test_the_model_free_ones_run(tmp_path: Path) -> None:
    data = with_example(tmp_path / "data")
    async with comfyui_process(data=data) as url, aiohttp.ClientSession() as session:
        for name in MODEL_FREE:
            status, body = await post(session, url, name)
            assert status == 200, body
            prompt_id = body["prompt_id"]

            async def entry(prompt_id: str = prompt_id) -> Any:
                async with session.get(f"{url}/history/{prompt_id}") as response:
                    return (await response.json()).get(prompt_id)

            assert (await until(entry))["status"]["status_str"] == "success"


@pytest.mark.skipif(
    not (os.environ.get("COMFYUI_DIR") and os.environ.get("COMFYUI_PYTHON")),
    reason="set COMFYUI_DIR and COMFYUI_PYTHON to have a real ComfyUI validate the workflows",
)
async def test_a_real_comfyui_misses_nothing_but_models(tmp_path: Path) -> None:
    data = with_example(tmp_path / "data")
    home, python = Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])
    async with comfyui_process(home, python, data, ("--cpu",)) as url, aiohttp.ClientSession() as session:
        answers = {name: await post(session, url, name) for name in NAMES}
        async with session.get(url + "/object_info") as response:
            infos = await response.json()

    for name, (status, body) in answers.items():
        prompt = load(f"{name}.api.json")
        errors = [error for node in body["node_errors"].values() for error in node["errors"]]
        missing = {error["extra_info"]["received_value"] for error in errors}
        assert {error["type"] for error in errors} <= {"value_not_in_list"}
        assert set(models(prompt, infos)) <= missing <= set(models(prompt))
        assert status == (400 if missing else 200)
