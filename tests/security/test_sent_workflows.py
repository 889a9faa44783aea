"""A workflow from the internet on the command line: send-to-runpod says in one sentence why it does not run."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client.send.cli import main
from client.workflow.graph import to_prompt
from client.workflow.widgets import GraphUnconvertible
from client.workflow.workflow import WorkflowUnreadable, class_types, read_workflow
from sandbox.endpoint.server import Running, running_endpoint
from sandbox.endpoint.service import Options
from tests.support.comfyui import comfyui_process
from tests.support.odd_prompts import ANY, BODIES, ODD_CLASSES, TOO_DEEP, nested
from tests.support.ports import free_port
from tests.support.prompts import inverted_file, inverted_image
from tests.support.scripts import environment, run_script


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def comfyui(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with comfyui_process(data=tmp_path_factory.mktemp("comfyui")) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint() -> AsyncIterator[Running]:
    async with running_endpoint(Options(), port=free_port()) as running:
        yield running


@dataclass
class Sender:
    """send-to-runpod with a workflow that must not be sent."""

    endpoint: Running
    folder: Path
    comfyui: str

    def _arguments(self, text: str) -> list[str]:
        workflow = self.folder / "workflow.json"
        workflow.write_text(text, encoding="utf-8")
        return ["--workflow", str(workflow), "--output", str(self.folder / "output"), "--no-open"]

    def _variables(self) -> dict[str, str]:
        port = self.endpoint.url.rpartition(":")[2].partition("/")[0]
        return {"SANDBOX_PORT": port, "COMFYUI_URL": self.comfyui, "COMFY_RUNPOD_HOME": str(self.folder / "home")}

    async def refused(self, text: str) -> str:
        """What it says, in this process."""
        environ = dict.fromkeys(("RUNPOD_API_KEY", "RUNPOD_ENDPOINT_ID", "COMFYUI_DIR")) | self._variables()
        done = await asyncio.to_thread(CliRunner(env=environ).invoke, main, self._arguments(text))
        assert isinstance(done.exception, SystemExit), done.exception
        return self._said(done.exit_code, done.output)

    async def refused_as_process(self, text: str) -> str:
        """The same of what is found out only after a job was made, which needs signals."""
        environ = environment(**self._variables())
        done = await run_script("send-to-runpod.py", *self._arguments(text), environ=environ, cwd=self.folder)
        return self._said(done.status, done.out + done.err)

    def _said(self, status: int, text: str) -> str:
        assert status == 1, text
        assert "Traceback" not in text
        assert self.endpoint.service.state.jobs == {}
        return text


@pytest.fixture
def sender(endpoint: Running, tmp_path: Path, comfyui: str) -> Sender:
    return Sender(endpoint, tmp_path, comfyui)


GRAPH: dict[str, Any] = {"nodes": [{"id": 1, "type": "EmptyImage"}], "links": []}
SUBGRAPH = {"id": "s", "nodes": [{"id": 1, "type": "s"}], "links": []}
UNSENDABLE: dict[str, Any] = {
    "2000 levels": '{"1":' * 2000 + "1" + "}" * 2000,
    "200,000 levels": "[" * 200_000,
    "deep workflow": {"prompt": inverted_image(), "extra_data": {"extra_pnginfo": {"workflow": nested(400)}}},
    "deep graph": {**GRAPH, "extra": nested(400)},
    **{f"{levels} levels": {"1": {"class_type": "X", "inputs": {"x": nested(levels)}}} for levels in TOO_DEEP},
    **{f"class {ascii(kind)[:12]}": {"1": {"class_type": kind, "inputs": {}}} for kind in ODD_CLASSES},
    **{f"type {ascii(kind)[:12]}": {"nodes": [{"id": 1, "type": kind}], "links": []} for kind in ODD_CLASSES},
    "odd node id": {"\x1b[2J\n\ud800": 5},
    "odd graph id": {"nodes": [{"id": "\x1b[2J\n\ud800", "type": "NoSuchNode"}], "links": []},
    "node without a type": {"nodes": [{}], "links": []},
    "node that is none": {"nodes": [5], "links": []},
    "link that is none": {**GRAPH, "links": [[]]},
    "definitions that are none": {**GRAPH, "definitions": {"subgraphs": [5]}},
    "a subgraph in itself": {**GRAPH, "nodes": SUBGRAPH["nodes"], "definitions": {"subgraphs": [SUBGRAPH]}},
    "half a character": '{"1": "\\ud800"}',
    "a large number": '{"1": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("name", UNSENDABLE)
async def test_what_cannot_be_sent_is_one_sentence_and_costs_nothing(sender: Sender, name: str) -> None:
    workflow = UNSENDABLE[name]
    said = await sender.refused(workflow if isinstance(workflow, str) else json.dumps(workflow))

    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
    assert "workflow.json: " in said


@pytest.mark.parametrize("value", ["/abs.png", {"__value__": "/abs.png"}, {"__value__": ["../x.png"]}], ids=str)
async def test_a_file_outside_is_not_sent(sender: Sender, value: Any) -> None:
    prompt = inverted_file("")
    prompt["1"]["inputs"]["image"] = value

    assert "is not a path inside ComfyUI's folders" in await sender.refused_as_process(json.dumps(prompt))


@pytest.mark.parametrize("inside", [[{"id": 1, "type": "EmptyImage"}], []], ids=["an image", "nothing"])
def test_a_graph_that_doubles_in_each_of_its_subgraphs_ends(inside: list[Any]) -> None:
    subgraphs = [
        {"id": f"s{n}", "nodes": [{"id": i, "type": f"s{n + 1}"} for i in (1, 2)], "links": []} for n in range(40)
    ]
    last = {"id": "s40", "nodes": inside, "links": []}
    graph = {"nodes": [{"id": 1, "type": "s0"}], "links": [], "definitions": {"subgraphs": [*subgraphs, last]}}

    with pytest.raises(GraphUnconvertible, match="more than"):
        to_prompt(graph, {"EmptyImage": {"input": {}}})


PAGES = st.fixed_dictionaries(
    {"nodes": st.lists(ANY | st.fixed_dictionaries({"id": ANY, "type": st.just("X") | ANY}), max_size=2),
     "links": st.lists(ANY, max_size=2)},
    optional={"definitions": ANY, "extra": ANY},
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=500)
@given(ANY | PAGES | BODIES)
def test_any_json_is_a_workflow_or_unreadable(value: Any) -> None:
    try:
        workflow = read_workflow(json.dumps(value))
        if workflow.prompt is None:
            assert workflow.graph is not None
            infos = {kind: {"input": {"required": {"a": ["INT"]}}} for kind in class_types(workflow.graph)}
            to_prompt(workflow.graph, infos)
    except (WorkflowUnreadable, GraphUnconvertible):
        pass
