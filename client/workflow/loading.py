"""A file becomes the page's graph: nodes built from their definitions, with the links and values of the file.

Source: ComfyUI_frontend 1.49 src/scripts/app.ts ``loadGraphData``, src/lib/litegraph/src/LGraph.ts ``configure``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from client.workflow import virtual
from client.workflow.definition import Infos
from client.workflow.dynamic import define
from client.workflow.node import PageNode, drop_widgetless_inputs, fill_empty_combos, merge_inputs, saved_slot
from client.workflow.promotion import define_host, migrate, restore_host
from client.workflow.restoring import check_host, restore
from client.workflow.scope import Scope, definitions, read_links, read_sides, with_unique_ids
from client.workflow.widgets import GraphUnconvertible

ROOT = "\0root"
"""the name of the root among the scopes; no class and no subgraph is called so"""
_DEEPEST = 200


@dataclass(slots=True)
class PageGraph:
    """The root graph and the definitions of subgraphs, each once, however often they are used."""

    scopes: dict[str, Scope] = field(default_factory=dict)

    @property
    def root(self) -> Scope:
        return self.scopes[ROOT]

    def uses_subgraph(self, node: PageNode) -> bool:
        return node.kind in self.scopes

    def all_nodes(self) -> Iterator[PageNode]:
        """Every node: those of the root first."""
        for scope in (self.root, *(scope for name, scope in self.scopes.items() if name != ROOT)):
            yield from scope.nodes.values()


def load(graph: Mapping[str, Any], infos: Infos, *, unique_ids: bool = True) -> PageGraph:
    """The page's graph for the file *graph*. Raises GraphUnconvertible; KeyError and the like for a broken file."""
    page = PageGraph()
    nodes, subgraphs = with_unique_ids(graph) if unique_ids else (graph["nodes"], definitions(graph))
    page.scopes = {part["id"]: _scope(part["id"], part) for part in subgraphs}
    for part in _leaves_first(subgraphs):
        _fill(page, page.scopes[part["id"]], part["nodes"], infos)
    root = Scope(ROOT, links=read_links(graph.get("links")))
    page.scopes[ROOT] = root
    _fill(page, root, nodes, infos)
    _after_loading(page)
    return page


def _scope(name: str, part: Mapping[str, Any]) -> Scope:
    links = read_links(part.get("links"))
    return Scope(name, links=links, inputs=read_sides(part.get("inputs")), outputs=read_sides(part.get("outputs")))


def _leaves_first(subgraphs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The subgraphs, each behind the ones that it uses. Raises GraphUnconvertible for a circle."""
    known = {part["id"]: part for part in subgraphs}
    done: dict[str, dict[str, Any]] = {}
    waiting = list(subgraphs)
    while waiting:
        ready = [part for part in waiting if _uses(part, known) <= done.keys()]
        if not ready:
            raise GraphUnconvertible("a subgraph contains itself")
        done |= {part["id"]: part for part in ready}
        waiting = [part for part in waiting if part["id"] not in done]
    return list(done.values())


def _uses(part: Mapping[str, Any], known: Iterable[str]) -> set[str]:
    return {node["type"] for node in part["nodes"]} & set(known)


def _fill(page: PageGraph, scope: Scope, nodes: list[Mapping[str, Any]], infos: Infos) -> None:
    for saved in nodes:
        node = PageNode(str(saved["id"]), str(saved["type"]), saved.get("mode") or 0, saved=saved)
        node.properties = saved.get("properties") or {}
        scope.nodes[node.id] = node
    for node in scope.nodes.values():
        _configure(page, node, infos)
    for node in scope.nodes.values():
        if page.uses_subgraph(node):
            migrate(node, page.scopes)
            if node.is_active:
                check_host(node)


def _configure(page: PageGraph, node: PageNode, infos: Infos) -> None:
    info = infos.get(node.kind)
    title = node.saved.get("title")
    if page.uses_subgraph(node):
        define_host(node, page.scopes)
        restore_host(node, page.scopes)
    elif info is not None and not virtual.is_virtual(node):
        dynamic = define(node, info)
        merge_inputs(node)
        dynamic.grow(node)
        if node.is_active:
            restore(node, info)
    else:
        node.known = virtual.is_virtual(node)
        node.inputs = [saved_slot(slot) for slot in node.saved.get("inputs") or ()]
        node.outputs = [str(slot.get("type", "*")) for slot in node.saved.get("outputs") or ()]
    node.title = str(title or (info or {}).get("display_name") or node.kind)


def _after_loading(page: PageGraph) -> None:
    for node in page.all_nodes():
        if node.known and not page.uses_subgraph(node) and not virtual.is_virtual(node):
            drop_widgetless_inputs(node)
    for node in page.all_nodes():
        fill_empty_combos(node)
    for scope in page.scopes.values():
        for node in scope.nodes.values():
            if node.kind == virtual.PRIMITIVE:
                virtual.spread_primitive(node, scope)
