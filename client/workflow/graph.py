"""ComfyUI's page format becomes its API format, as the page itself does when Run is pressed.

Source: ComfyUI_frontend 1.49 src/utils/executionUtil.ts ``graphToPrompt``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from client.workflow import virtual
from client.workflow.definition import Infos
from client.workflow.dynamic import chosen_index
from client.workflow.loading import PageGraph, load
from client.workflow.node import PageNode
from client.workflow.resolving import Place, Source, TypedIn, resolved
from client.workflow.texts import NAMED_OUTPUTS, Choose, chosen, replaced
from client.workflow.widgets import MADE_IN_THE_PAGE, UNSET, GraphUnconvertible, Widget
from wire.graph import wrapped

_NODES_MAX = 50_000
"""thirty subgraphs that each use the next one twice would make a billion"""
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Moment:
    """What the page takes from the moment at which Run is pressed."""

    now: datetime
    choose: Choose
    """which of the choices in a text such as ``{red|green}``"""


FIRST_CHOICES = Moment(datetime(2026, 1, 1, tzinfo=UTC), lambda _: 0)


def to_prompt(
    graph: Mapping[str, Any], infos: Infos, moment: Moment = FIRST_CHOICES, *, unique_ids: bool = True
) -> dict[str, Any]:
    """*graph* in API format; *infos* is ``/object_info`` of its node types. Raises GraphUnconvertible.

    *unique_ids*: a node in a subgraph whose id occurs elsewhere has a new one, as in pages since 2026.
    """
    try:
        return _Conversion(load(graph, infos, unique_ids=unique_ids), moment).prompt()
    except GraphUnconvertible:
        raise
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as error:
        raise GraphUnconvertible(f"the graph is broken: {type(error).__name__} {error}") from error


class _Conversion:
    def __init__(self, page: PageGraph, moment: Moment) -> None:
        self._page = page
        self._moment = moment
        self._seen = 0

    def prompt(self) -> dict[str, Any]:
        whole: dict[str, Any] = {}
        for place, node in self._nodes(Place(self._page.root)):
            whole[place.name(node)] = self._node(place, node)
        if not whole:
            raise GraphUnconvertible("no node of the graph would run")
        for node in whole.values():
            node["inputs"] = {name: value for name, value in node["inputs"].items() if _is_there(value, whole)}
        return whole

    def _nodes(self, place: Place, depth: int = 0) -> Iterator[tuple[Place, PageNode]]:
        """The nodes that run. Inside a subgraph the page does not ask whether the node around it is muted."""
        if depth > _DEEPEST:
            raise GraphUnconvertible("a subgraph contains itself")
        for node in place.scope.nodes.values():
            self._seen += 1
            if self._seen > _NODES_MAX:
                raise GraphUnconvertible(f"the graph has more than {_NODES_MAX} nodes")
            if self._page.uses_subgraph(node):
                if node.is_active or depth:
                    yield from self._nodes(place.inside(node, self._page), depth + 1)
            elif node.is_active and not virtual.is_virtual(node):
                yield place, node

    def _node(self, place: Place, node: PageNode) -> dict[str, Any]:
        if node.kind in virtual.ONLY_IN_THE_PAGE:
            raise GraphUnconvertible(f"{node.kind} #{place.name(node)} changes other nodes, which only the page can do")
        if not node.known:
            raise GraphUnconvertible(f"ComfyUI does not know the node {node.kind} (#{place.name(node)})")
        inputs = {widget.name: self._sent(place, node, widget) for widget in node.widgets if widget.sent}
        for at, slot in enumerate(node.inputs):
            match resolved(self._page, place, node, at):
                case Source(origin, number):
                    inputs[slot.name] = [origin, number]
                case TypedIn(value):
                    inputs[slot.name] = wrapped(value)
        found = {name: value for name, value in inputs.items() if value is not UNSET}
        return {"inputs": found, "class_type": node.kind, "_meta": {"title": node.title}}

    def _sent(self, place: Place, node: PageNode, widget: Widget) -> Any:
        if widget.kind in MADE_IN_THE_PAGE:
            raise GraphUnconvertible(f"{node.kind} #{place.name(node)}: only the page can make its {widget.name}")
        value = chosen_index(node) if widget.kind == "index" else widget.value
        if isinstance(value, str) and widget.spec and widget.spec.options.get("dynamicPrompts"):
            value = chosen(value, self._moment.choose)
        if isinstance(value, str) and widget.name == "filename_prefix" and node.kind in NAMED_OUTPUTS:
            value = replaced(value, self._page.all_nodes(), self._moment.now)
        if widget.kind == "CURVE" and isinstance(value, list):
            return {"__type__": "CURVE", "__value__": value}
        return wrapped(value)


def _is_there(value: Any, prompt: Mapping[str, Any]) -> bool:
    return not isinstance(value, list) or value[0] in prompt
