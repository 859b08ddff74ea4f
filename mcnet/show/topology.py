"""`mcnet show topology`: the graph in the form that was asked for. What is in it is mcnet.plan.topology's."""

import json
from collections.abc import Sequence

from mcnet.plan.topology.dot import dot
from mcnet.plan.topology.graph import Graph, graph
from mcnet.plan.topology.mermaid import mermaid
from mcnet.plan.topology.svg import svg
from mcnet.plan.topology.tree import Part, tree
from mcnet.show.gather import Reading
from mcnet.show.output import COLORS, plain
from mcnet.show.screen import Screen, besides, explanations, picture, state, status
from mcnet.show.views import CONNECTIONS, GATEWAYS, Needs


def draw_topology(readings: Sequence[Reading], form: str, *, color: bool, named: bool) -> Screen:
    """The drawing in `form` ("tree", "dot", "svg", "mermaid", "json"); below a tree what is not well. Raises
    McnetError if the context that was named has nothing to show."""
    seen = picture(readings)
    rows = {view.name: view.rows(seen) for view in (CONNECTIONS, GATEWAYS)}
    aside = besides(readings, Needs.BROKER, named=named)
    drawn = graph(seen)
    if not drawn.clusters:
        aside = "No members yet: mcnet join\n" + aside
    out = draw(drawn, form, color=color)
    if form == "tree":
        for view in (CONNECTIONS, GATEWAYS):
            out += "".join(line + "\n" for line in explanations(view, rows[view.name], color=color))
    return Screen(out, aside, state(rows), status(readings, rows), drawn.document())


def draw(drawn: Graph, form: str, *, color: bool) -> str:
    """The graph as text."""
    match form:
        case "json":
            return json.dumps(drawn.document(), indent=2) + "\n"
        case "dot":
            return dot(drawn)
        case "svg":
            return svg(drawn)
        case "mermaid":
            return mermaid(drawn)
        case _:
            lines = tree(drawn) if drawn.clusters else []
            return "".join("".join(_part(part, color) for part in line).rstrip() + "\n" for line in lines)


def _part(part: Part, color: bool) -> str:
    text, known = plain(part[0]), COLORS.get(part[1], "") if color else ""
    return f"\x1b[{known}m{text}\x1b[0m" if known else text
