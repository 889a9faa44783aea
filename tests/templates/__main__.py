"""ComfyUI's own templates, as its page makes prompts of them: ``python -m tests.templates``; tests/README.md says how.

None may be refused that ComfyUI would run, and of each the missing models must be named with the file's addresses.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from engine.prompt.named_models import HOSTS, Hosts, named_models
from tests.support.browser import opened_context, opened_tab, running_browser
from tests.support.comfyui import comfyui_process
from tests.templates.judging import Outcome, Template, catalog_of, outcome
from wire.model_kinds import KINDS

_EACH_S = 60.0
_VALIDATOR = """
from aiohttp import web
import execution
from server import PromptServer

@PromptServer.instance.routes.post("/validated")
async def validated(request):
    prompt = (await request.json())["prompt"]
    _, error, _, node_errors = await execution.validate_prompt("x", prompt, None)
    text = json.dumps({"error": error, "node_errors": node_errors}, default=str)
    return web.Response(text=text, content_type="application/json")

NODE_CLASS_MAPPINGS = {}
"""
"""a custom node that lets ComfyUI judge a prompt and not run it"""
_LOAD = """async (workflow) => {
    await window.app.loadGraphData(workflow);
    const made = await window.app.graphToPrompt();
    return JSON.stringify({ prompt: made.output, workflow: made.workflow });
}"""


def template_files(python: Path) -> dict[str, dict[str, Any]]:
    """The templates that are installed beside that interpreter, by name."""
    packages = python.parent.parent.glob("lib/python3*/site-packages/comfyui_workflow_templates*")
    files = sorted(path for package in packages for path in package.rglob("*.json"))
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}
    return {name: value for name, value in found.items() if isinstance(value, dict) and "nodes" in value}


def make_models(folder: Path, templates: dict[str, dict[str, Any]]) -> dict[str, dict[str, int]]:
    """An empty file for each model that a template names; what there is by kind."""
    models: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for workflow in templates.values():
        for model in named_models(workflow, Hosts(HOSTS)):
            models.setdefault(model.kind, {})[model.name] = 0
            path = folder / model.kind / model.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return models


@asynccontextmanager
async def comfyui(checkout: Path, python: Path, folder: Path, kinds: list[str]) -> AsyncIterator[str]:
    """A ComfyUI with those models, that judges prompts without running them."""
    pack = folder / "packs" / "validator"
    pack.mkdir(parents=True)
    (pack / "__init__.py").write_text(_VALIDATOR, encoding="utf-8")
    paths = {"base_path": str(folder), "custom_nodes": "packs", **{kind: f"models/{kind}" for kind in kinds}}
    config = folder / "paths.yaml"
    config.write_text(json.dumps({"templates": paths}), encoding="utf-8")
    arguments = ("--cpu", "--extra-model-paths-config", str(config))
    async with comfyui_process(checkout, python, folder / "data", arguments) as url:
        yield url


async def judged_by_comfyui(
    url: str, session: aiohttp.ClientSession, templates: dict[str, dict[str, Any]]
) -> tuple[list[Template], dict[str, str]]:
    """Each template as a prompt with ComfyUI's judgement, and why a page made no prompt of the others."""
    made: list[Template] = []
    failed: dict[str, str] = {}
    async with running_browser() as browser, opened_context(browser) as context:
        page = (await opened_tab(context, url)).page
        for name, workflow in templates.items():
            try:
                text = await asyncio.wait_for(page.evaluate(_LOAD, workflow), _EACH_S)
                found = json.loads(text)
                async with session.post(f"{url}/validated", json={"prompt": found["prompt"]}) as response:
                    said = await response.json()
                made.append(Template(name, found["prompt"], found["workflow"], said["error"], said["node_errors"]))
            except Exception as error:  # noqa: BLE001  the others go on
                failed[name] = f"{type(error).__name__}: {error}"[:200]
    return made, failed


async def run(checkout: Path, python: Path) -> int:
    templates = template_files(python)
    with tempfile.TemporaryDirectory(prefix="templates-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        models = make_models(folder / "models", templates)
        async with comfyui(checkout, python, folder, list(models)) as url, aiohttp.ClientSession() as session:
            async with session.get(f"{url}/object_info") as response:
                nodes: dict[str, Any] = await response.json()
            made, failed = await judged_by_comfyui(url, session, templates)
    full, bare = (catalog_of(nodes, models, has_models=has_models) for has_models in (True, False))
    return show({one.name: outcome(one, nodes, full, bare) for one in made}, failed)


def show(outcomes: dict[str, Outcome], failed: dict[str, str]) -> int:
    missing = sum(len(one.missing) for one in outcomes.values())
    without = {name: one.without_address for name, one in outcomes.items() if one.without_address}
    unseen = Counter(kind for one in outcomes.values() for _, kind, _ in one.unseen)
    print(f"{len(outcomes)} templates became prompts, {len(failed)} did not")
    print(f"{sum(bool(one.missing) for one in outcomes.values())} need models: {missing} missing in all, ", end="")
    print(f"{missing - sum(map(len, without.values()))} with an address")
    print(f"refused by ComfyUI and left to it: {dict(unseen)}")
    for name, models in without.items():
        print(f"  without an address: {name}: {', '.join('/'.join(model) for model in models)}")
    for name, reason in failed.items():
        print(f"  NO PROMPT: {name}: {reason}")
    false = {name: one.false for name, one in outcomes.items() if one.false}
    for name, problems in false.items():
        print(f"  FALSELY REFUSED: {name}: {sorted(problems)}")
    return 1 if false or not outcomes else 0


def main() -> int:
    if not os.environ.get("COMFYUI_DIR") or not os.environ.get("COMFYUI_PYTHON"):
        print("set COMFYUI_DIR and COMFYUI_PYTHON to a ComfyUI and its interpreter", file=sys.stderr)
        return 2
    return asyncio.run(run(Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"])))


if __name__ == "__main__":
    sys.exit(main())
