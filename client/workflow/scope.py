"""A graph of the page: the root, or the definition of a subgraph, with its nodes and links.

Source: ComfyUI_frontend 1.49 src/lib/litegraph/src/LGraph.ts ``configure``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from client.workflow.node import PageNode, Slot
from client.workflow.widgets import GraphBroken

INPUT_NODE, OUTPUT_NODE = "-10", "-20"
"""the ids of a subgraph's own sides"""


@dataclass(slots=True)
class Link:
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(slots=True)
class Side:
    """An input or output of a subgraph: what whoever uses it can link to."""

    name: str
    kind: str
    links: list[int]


@dataclass(slots=True)
class Scope:
    """The root graph or one definition. Every use of a subgraph shares the nodes of its definition."""

    name: str
    nodes: dict[str, PageNode] = field(default_factory=dict)
    links: dict[int, Link] = field(default_factory=dict)
    inputs: list[Side] = field(default_factory=list)
    outputs: list[Side] = field(default_factory=list)

    def target(self, link_id: int) -> tuple[PageNode, Slot] | None:
        """The node and its input at which a link ends."""
        link = self.links.get(link_id)
        node = self.nodes.get(link.target) if link else None
        slot = next((slot for slot in node.inputs if slot.link == link_id), None) if node else None
        return (node, slot) if node and slot else None

    def add_link(self, side: Side, node: PageNode, slot: Slot) -> None:
        """Link the subgraph's input *side* to *slot*, in place of what was linked to it."""
        number = max(self.links, default=0) + 1
        self.links[number] = Link(INPUT_NODE, self.inputs.index(side), node.id, node.inputs.index(slot))
        side.links.append(number)
        slot.link = number


_LINK_PARTS = 5
"""id, origin, its slot, target, its slot; then the type"""


def read_links(links: Any) -> dict[int, Link]:
    """The links by their ids; files hold lists in the root and objects in subgraphs."""
    return dict(_link(link) for link in links or () if link is not None)


def _link(link: Any) -> tuple[int, Link]:
    if not isinstance(link, dict | list) or (isinstance(link, list) and len(link) < _LINK_PARTS):
        raise GraphBroken("the graph is broken: one of its links does not say where it begins and ends")
    if isinstance(link, dict):
        ends = (link["origin_id"], link["origin_slot"], link["target_id"], link["target_slot"])
        number = link["id"]
    else:
        number, *ends_list = link[:5]
        ends = tuple(ends_list)
    origin, origin_slot, target, target_slot = ends
    return int(number), Link(str(origin), int(origin_slot), str(target), int(target_slot))


def read_sides(sides: Any) -> list[Side]:
    return [
        Side(str(side.get("name")), str(side.get("type", "*")), list(side.get("linkIds") or ())) for side in sides or ()
    ]


def definitions(graph: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The subgraphs that *graph* defines."""
    return (graph.get("definitions") or {}).get("subgraphs") or []


def with_unique_ids(graph: Mapping[str, Any]) -> tuple[list[Any], list[dict[str, Any]]]:
    """The nodes of the root, and the definitions of subgraphs with node ids that occur nowhere else.

    The page writes over an id that is used twice; prompts and messages then carry the new one. Source:
    src/lib/litegraph/src/subgraph/subgraphDeduplication.ts.
    """
    subgraphs = definitions(graph)
    used = {str(node["id"]) for node in graph["nodes"] if isinstance(node["id"], int)}
    last = _last_id(graph)
    renamed: dict[str, dict[str, int]] = {}
    for subgraph in subgraphs:
        names = renamed[subgraph["id"]] = {}
        for node in subgraph.get("nodes") or ():
            key = str(node["id"])
            if key in used:
                last = names[key] = _next_free(last, used)
            elif key.isdecimal():
                last = max(last, int(key))
            used.add(str(names.get(key, key)))
    nodes = [_with_new_names(node, renamed) for node in graph["nodes"]]
    return nodes, [_renumbered(subgraph, renamed) for subgraph in subgraphs]


def _renumbered(subgraph: Mapping[str, Any], renamed: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    names = renamed[subgraph["id"]]
    nodes = [{**node, "id": names.get(str(node["id"]), node["id"])} for node in subgraph.get("nodes") or ()]
    links = [_relinked(link, names) for link in subgraph.get("links") or () if link is not None]
    return {**subgraph, "nodes": [_with_new_names(node, renamed) for node in nodes], "links": links}


def _with_new_names(node: dict[str, Any], renamed: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """*node*, whose list of shown widgets names the nodes inside its subgraph by their new ids."""
    names = renamed.get(str(node.get("type")))
    properties = node.get("properties") or {}
    shown = properties.get("proxyWidgets")
    if not names or not isinstance(shown, list):
        return node
    entries = [[str(names.get(str(entry[0]), entry[0])), *entry[1:]] if entry else entry for entry in shown]
    return {**node, "properties": {**properties, "proxyWidgets": entries}}


def _relinked(link: Any, names: Mapping[str, int]) -> Any:
    if not names:
        return link
    changed = {side: names.get(str(link[side]), link[side]) for side in ("origin_id", "target_id")}
    return {**link, **changed}


def _last_id(graph: Mapping[str, Any]) -> int:
    last = graph.get("last_node_id")
    state = (graph.get("state") or {}).get("lastNodeId")
    return max((number for number in (last, state) if isinstance(number, int)), default=0)


def _next_free(last: int, used: set[str]) -> int:
    last += 1
    while str(last) in used:
        last += 1
    return last
