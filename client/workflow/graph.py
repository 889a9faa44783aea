"""ComfyUI's page format becomes its API format, as the page itself does when Run is pressed.

Source: ComfyUI_frontend src/utils/executionUtil.ts ``graphToPrompt`` and src/lib/litegraph/src/subgraph (1.35).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from client.workflow.widgets import GraphUnconvertible, widget_values

_MUTED, _BYPASSED = 2, 4
_NEVER_RUN = frozenset({"Note", "MarkdownNote"})
_INPUTS_OF_SUBGRAPH, _OUTPUTS_OF_SUBGRAPH = -10, -20
_DEEPEST = 200
_NODES_MAX = 50_000
"""thirty subgraphs that each use the next one twice would make a billion"""

Infos = Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class _Value:
    """What a link brings when it starts at a value of the page, not at a node that runs."""

    value: Any


_Source = tuple[str, int] | _Value | None


@dataclass(frozen=True, slots=True)
class _Link:
    origin: int
    origin_slot: int
    target: int
    target_slot: int
    type: Any


@dataclass(slots=True)
class _Scope:
    """The graph itself, or one use of a subgraph in it."""

    graph: Mapping[str, Any]
    prefix: str = ""
    outer: "_Scope | None" = None
    instance: Mapping[str, Any] = field(default_factory=dict)
    nodes: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    links: dict[int, _Link] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.nodes = {node["id"]: node for node in self.graph["nodes"]}
        self.links = dict(_link(link) for link in self.graph["links"])

    def name(self, node: Mapping[str, Any]) -> str:
        return f"{self.prefix}{node['id']}"


def to_prompt(graph: Mapping[str, Any], infos: Infos) -> dict[str, Any]:
    """*graph* in API format; *infos* is ``/object_info`` of its node types. Raises GraphUnconvertible."""
    try:
        return _Conversion(graph, infos).prompt()
    except GraphUnconvertible:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise GraphUnconvertible(f"the graph is broken: {type(error).__name__} {error}") from error


def _link(link: Any) -> tuple[int, _Link]:
    if isinstance(link, dict):  # subgraphs
        ends = (link["origin_id"], link["origin_slot"], link["target_id"], link["target_slot"], link.get("type"))
        return link["id"], _Link(*ends)
    number, *ends = link[:6]
    return number, _Link(*ends)


class _Conversion:
    def __init__(self, graph: Mapping[str, Any], infos: Infos) -> None:
        self._graph = graph
        self._infos = infos
        subgraphs = (graph.get("definitions") or {}).get("subgraphs") or []
        self._subgraphs: dict[str, Mapping[str, Any]] = {part["id"]: part for part in subgraphs}

    def prompt(self) -> dict[str, Any]:
        whole = dict(islice(self._nodes(_Scope(self._graph)), _NODES_MAX + 1))
        if len(whole) > _NODES_MAX:
            raise GraphUnconvertible(f"the graph has more than {_NODES_MAX} nodes")
        if not whole:
            raise GraphUnconvertible("no node of the graph would run")
        return whole

    def _nodes(self, scope: _Scope, depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
        for node in scope.nodes.values():
            if node.get("mode") in (_MUTED, _BYPASSED) or self._is_virtual(node):
                continue
            if node["type"] in self._subgraphs:
                if depth > _DEEPEST:
                    raise GraphUnconvertible("a subgraph contains itself")
                yield from self._nodes(self._inside(scope, node), depth + 1)
            else:
                yield scope.name(node), self._node(scope, node)

    def _is_virtual(self, node: Mapping[str, Any]) -> bool:
        return node["type"] in _NEVER_RUN or node["type"] in ("Reroute", "PrimitiveNode")

    def _inside(self, scope: _Scope, node: Mapping[str, Any]) -> _Scope:
        return _Scope(self._subgraphs[node["type"]], f"{scope.name(node)}:", scope, node)

    def _node(self, scope: _Scope, node: Mapping[str, Any]) -> dict[str, Any]:
        info = self._infos.get(node["type"])
        if info is None:
            raise GraphUnconvertible(f"ComfyUI does not know the node {node['type']} (#{scope.name(node)})")
        inputs = widget_values(node, info, scope.name(node))
        for slot in node.get("inputs") or ():
            if slot.get("link") is None:
                continue
            source = self._source(scope, slot["link"])
            if isinstance(source, _Value):
                inputs[slot["name"]] = source.value
            elif source is not None:
                inputs[slot["name"]] = list(source)
        title = node.get("title") or info.get("display_name") or node["type"]
        return {"inputs": inputs, "class_type": node["type"], "_meta": {"title": title}}

    def _source(self, scope: _Scope, link_id: int, depth: int = 0) -> _Source:
        """Where the value of a link comes from, through reroutes, bypassed nodes and the walls of subgraphs."""
        link = scope.links.get(link_id)
        if link is None:
            return None
        if depth > _DEEPEST:
            raise GraphUnconvertible("the links of the graph go round in a circle")
        if link.origin == _INPUTS_OF_SUBGRAPH:
            return self._from_outside(scope, link.origin_slot, depth)
        node = scope.nodes[link.origin]
        if node["type"] in self._subgraphs and node.get("mode") not in (_MUTED, _BYPASSED):
            return self._from_inside(self._inside(scope, node), link.origin_slot, depth)
        return self._from_node(scope, node, link, depth)

    def _from_node(self, scope: _Scope, node: Mapping[str, Any], link: _Link, depth: int) -> _Source:
        match node["type"], node.get("mode"):
            case _, mode if mode == _MUTED:
                return None
            case "PrimitiveNode", _:
                return _Value(node["widgets_values"][0])
            case "Reroute", _:
                return self._through(scope, node["inputs"][:1], depth)
            case _, mode if mode == _BYPASSED:
                return self._through(scope, _bypass(node, link), depth)
        return scope.name(node), link.origin_slot

    def _through(self, scope: _Scope, slots: list[Any], depth: int) -> _Source:
        linked = [slot["link"] for slot in slots if slot.get("link") is not None]
        return self._source(scope, linked[0], depth + 1) if linked else None

    def _from_outside(self, scope: _Scope, number: int, depth: int) -> _Source:
        """What the use of the subgraph is given at its input *number*: a link, or a value typed into its widget."""
        assert scope.outer is not None  # noqa: S101  only a subgraph has such links
        wanted = scope.graph["inputs"][number]["name"]
        slots = scope.instance.get("inputs") or []
        slot = next((slot for slot in slots if slot["name"] == wanted), None)
        if slot is None:
            return None
        if slot.get("link") is not None:
            return self._source(scope.outer, slot["link"], depth + 1)
        widgets = [slot["name"] for slot in slots if "widget" in slot]
        values = scope.instance.get("widgets_values") or []
        at = widgets.index(wanted) if wanted in widgets else len(values)
        return _Value(values[at]) if isinstance(values, list) and at < len(values) else None

    def _from_inside(self, scope: _Scope, number: int, depth: int) -> _Source:
        for link_id, link in scope.links.items():
            if (link.target, link.target_slot) == (_OUTPUTS_OF_SUBGRAPH, number):
                return self._source(scope, link_id, depth + 1)
        return None


def _bypass(node: Mapping[str, Any], link: _Link) -> list[Any]:
    """The inputs that a bypassed node passes on at the link's start: of its type, the one opposite first."""
    inputs = node.get("inputs") or []
    kind = node["outputs"][link.origin_slot]["type"]
    opposite = inputs[link.origin_slot : link.origin_slot + 1]
    return [slot for slot in (*opposite, *inputs) if kind == slot["type"] or "*" in (kind, slot["type"])][:1]
