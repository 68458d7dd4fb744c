"""A flow drawn as a graph: its steps in layers from top to bottom, with counts on every way. A picture as SVG text.

The layout is our own, because it is small and knows what flows are: layers by the longest way, an order in each layer
that follows the order of the ways in the file, and places that pull every step between those it is connected to.
Everything that comes from a file is escaped. Colours are those of the page (`STYLE` names them, with defaults).
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup

from rekindle.cli.report import words
from rekindle.flow.program import Flow
from rekindle.service.simulation.replay import ways

START, END = "\x00start", "\x00end"

_NODE_WIDTH = 256
_LINE = 15
_GAP_X, _GAP_Y = 26, 16
_CHARS, _SMALL_CHARS, _LABEL_CHARS, _LABEL_LINES = 26, 32, 30, 3
_SWEEPS, _LINING_UP = 100, 60
#: How much more what belongs in one line wants to stay in it than a single step wants to be in the middle.
_STRAIGHT = 6.0
_MARGIN = 10
#: Sorts after every step of a round.
_LAST = 1_000_000

_BELL = "M8 2.5a3.6 3.6 0 0 1 3.6 3.6c0 3.4 1.4 4.4 1.4 4.4H3s1.4-1 1.4-4.4A3.6 3.6 0 0 1 8 2.5M6.6 12.6h2.8"

#: Icons of 16 by 16, drawn with strokes.
_ICONS = {
    "start": "M3 8h9M8 4l4 4-4 4",
    "end": "M4 8.5l3 3 5-7",
    "wait": "M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3.2l2.2 1.4",
    "wait_until": "M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3.2l2.2 1.4",
    "wait_for": "M2 8s2.2-4 6-4 6 4 6 4-2.2 4-6 4-6-4-6-4M8 6.4a1.6 1.6 0 1 0 .01 0",
    "branch": "M8 2v4M8 6c0 3-4 2-4 6M8 6c0 3 4 2 4 6",
    "split": "M2 4h3l6 8h3M2 12h3l1.6-2.2M9.4 6.2 11 4h3",
    "email": "M2 4h12v8.5H2zM2 4.5l6 4.5 6-4.5",
    "sms": "M2.5 3h11v7.5h-6L4.5 13v-2.5h-2z",
    "push": _BELL,
    "notify": _BELL,
    "audience": "M6 7.5a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6M2 13c0-2.5 1.6-4 4-4s4 1.5 4 4M11 3a2.2 2.2 0 0 1 0 4",
    "set": "M2.5 8.500 8 3h5v5l-5.500 5.500zM10.600 5.300v.100",
    "suppress": "M8 2.500a5.500 5.500 0 1 0 .01 0M4.200 4.200l7.600 7.600",
    "repeat": "M3 8a5 5 0 0 1 8.600-3.400L13 6M13 2.5V6H9.500M13 8a5 5 0 0 1-8.600 3.400L3 10M3 13.500V10h3.500",
    "exit": "M9 3H3.500v10H9M7 8h7M11.500 5.500 14 8l-2.5 2.5",
}  # fmt: skip

STYLE = """
.flow-graph{--g-ink:var(--ink,#1c2333);--g-muted:var(--muted,#667085);--g-card:var(--card,#fff);--g-line:var(--line,#d9dee8);
--g-accent:var(--accent,#4f5bd5);--g-back:var(--back,#f6f7fb);font-family:inherit}
.flow-graph text{fill:var(--g-ink);font-size:12px}.flow-graph .t{font-size:13px;font-weight:600}
.flow-graph .d{fill:var(--g-muted);font-size:11.5px}.flow-graph .n{font-weight:600;font-size:11.5px}
.flow-graph .c{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:10.5px;fill:var(--g-muted)}
.flow-graph .box{fill:var(--g-card);stroke:var(--g-line)}.flow-graph .pill{fill:var(--g-back);stroke:var(--g-line)}
.flow-graph .way{fill:none;stroke:var(--g-accent);stroke-opacity:.34;stroke-linecap:round}
.flow-graph .way.none{stroke:var(--g-muted);stroke-dasharray:3 4;stroke-opacity:.55}
.flow-graph .tip{fill:var(--g-accent);fill-opacity:.75}.flow-graph .tip.none{fill:var(--g-muted);fill-opacity:.55}
.flow-graph .icon{fill:none;stroke:#fff;stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}
.flow-graph .k-start,.flow-graph .k-end{fill:#2f9e6e}
.flow-graph .k-wait,.flow-graph .k-wait_until,.flow-graph .k-wait_for{fill:#c98a1b}
.flow-graph .k-branch,.flow-graph .k-repeat{fill:#1f8a9e}.flow-graph .k-split{fill:#b04a9d}
.flow-graph .k-email{fill:#4f5bd5}.flow-graph .k-sms,.flow-graph .k-push{fill:#7a4fd5}.flow-graph .k-exit{fill:#7b8496}
.flow-graph .k-audience,.flow-graph .k-notify,.flow-graph .k-set{fill:#5f7a3a}
.flow-graph .k-suppress{fill:#7b8496}
"""


@dataclass
class _Node:
    """A box, or a place that a line passes (`kind` empty)."""

    id: str
    kind: str = ""
    title: str = ""
    detail: str = ""
    full: str = ""
    notes: Sequence[str] = ()
    width: float = 4.0
    height: float = 0.0
    layer: int = 0
    key: tuple[int, ...] = ()
    x: float = 0.0
    y: float = 0.0
    before: list[_Node] = field(default_factory=list)
    after: list[_Node] = field(default_factory=list)


@dataclass
class _Edge:
    """A way from one step to another; `label` is the place of its words."""

    source: _Node
    target: _Node
    text: str
    count: int | None
    label: _Node
    place: int
    back: bool = False
    through: list[_Node] = field(default_factory=list)


def draw(
    flow: Flow,
    passed: Mapping[tuple[str, str], int] | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
    *,
    title: str = "",
) -> Markup:
    """Return the flow as an SVG picture.

    `passed` is (step, way) → how many went that way, as `ways` names ways, and `("", "")` is the entry; without it no
    counts are shown. `notes` are lines below a step; `title` is what a screen reader says of the picture.
    """
    drawing = _Drawing(flow, passed, notes or {})
    drawing.arrange()
    return drawing.picture(title or f"The steps of {flow.title or flow.name}")


class _Drawing:
    def __init__(
        self, flow: Flow, passed: Mapping[tuple[str, str], int] | None, notes: Mapping[str, Sequence[str]]
    ) -> None:
        self.flow = flow
        self.passed = passed
        self.nodes: dict[str, _Node] = {}
        self.edges: list[_Edge] = []
        self.layers: list[list[_Node]] = []
        self.bends: list[_Node] = []
        self._boxes(notes)
        self._ways()

    # --- what there is

    def _boxes(self, notes: Mapping[str, Sequence[str]]) -> None:
        started = words.trigger(self.flow.triggers[0]) if self.flow.triggers else ("Started by hand", "")
        more = len(self.flow.triggers) - 1
        detail = f"and {more} more trigger{'s' if more > 1 else ''}" if more > 0 else started[1]
        self._box(START, "start", (started[0], detail), notes.get("", ()))
        self.nodes[START].full = words.triggers(self.flow)
        for step_id in self._reachable():
            step = self.flow.steps[step_id]
            self._box(step_id, words.kind(step), words.step(step), notes.get(step_id, ()))
        self._box(END, "end", ("The end", ""), notes.get(END, ()))

    def _box(self, node: str, kind: str, said: tuple[str, str], notes: Sequence[str]) -> None:
        title, detail = said
        height = 24 + 16 * len(_lines(title, _CHARS, 2)) + (_LINE if detail else 0) + _LINE * len(notes)
        self.nodes[node] = _Node(
            node, kind, title, detail, f"{title} {detail}".strip(), notes, width=_NODE_WIDTH, height=height
        )

    def _reachable(self) -> Iterable[str]:
        found: dict[str, None] = {}
        waiting = [self.flow.first] if self.flow.first else []
        while waiting:
            step = waiting.pop()
            if step in found or step not in self.flow.steps:
                continue
            found[step] = None
            waiting.extend(to for _, to in reversed(ways(self.flow.steps[step])) if to)
        return found

    def _ways(self) -> None:
        self._way(START, ("", self.flow.first), "", -1)
        for step_id in list(self.nodes):
            if step_id in (START, END):
                continue
            step = self.flow.steps[step_id]
            out = ways(step)
            for place, one in enumerate(out):
                self._way(step_id, one, words.way(step, one[0]), place if len(out) > 1 else -1)
        if not any(edge.target.id == END for edge in self.edges):
            del self.nodes[END]

    def _way(self, source: str, way: tuple[str, str | None], text: str, place: int) -> None:
        name, to = way
        count = None if self.passed is None else self.passed.get(("" if source == START else source, name), 0)
        lines = _wrapped(text)
        widest = max((len(line) for line in lines), default=0) * 6.5
        label = _Node(
            f"{source}\x00{place}",
            width=max(widest, 7.0 * len(self._said(source, count)) if count is not None else 4.0) + 14,
            height=_LINE * (len(lines) + (count is not None)) + (8 if lines or count is not None else 0),
            full=text,
        )
        edge = _Edge(self.nodes[source], self.nodes[to or END], text, count, label, place)
        self.edges.append(edge)

    def _said(self, source: str, count: int | None) -> str:
        if count is None:
            return ""
        if source == START or self.passed is None:
            return words.number(count)
        return f"{words.number(count)} · {words.share(count, self._entered())}"

    def _entered(self) -> int:
        return (self.passed or {}).get(("", ""), 0)

    # --- where it goes

    def arrange(self) -> None:
        """Give every node its place."""
        self._find_backs()
        order = self._topological()
        self._set_layers(order)
        self._set_keys(order)
        self._connect()
        self.layers = self._in_layers()
        self._place_across()
        self._place_down()

    def _find_backs(self) -> None:
        out = defaultdict(list)
        for edge in self.edges:
            out[edge.source.id].append(edge)
        state: dict[str, int] = {}

        def visit(node: str) -> None:
            state[node] = 1
            for edge in out[node]:
                if state.get(edge.target.id) == 1:
                    edge.back = True
                elif edge.target.id not in state:
                    visit(edge.target.id)
            state[node] = 2

        visit(START)

    def _topological(self) -> list[_Node]:
        left: dict[str, int] = defaultdict(int)
        out = defaultdict(list)
        for edge in self.edges:
            if not edge.back:
                left[edge.target.id] += 1
                out[edge.source.id].append(edge.target)
        ready, order = [self.nodes[START]], []
        while ready:
            node = ready.pop()
            order.append(node)
            for target in reversed(out[node.id]):
                left[target.id] -= 1
                if not left[target.id]:
                    ready.append(target)
        return order

    def _set_layers(self, order: list[_Node]) -> None:
        for node in order:
            for edge in self.edges:
                if edge.source is node and not edge.back:
                    edge.target.layer = max(edge.target.layer, node.layer + 2)
        if END in self.nodes:
            self.nodes[END].layer = max(node.layer for node in self.nodes.values())

    def _set_keys(self, order: list[_Node]) -> None:
        arriving: dict[str, list[tuple[int, ...]]] = defaultdict(list)
        for node in order:
            came = arriving[node.id]
            node.key = _common(came) if came else ()
            for edge in self.edges:
                if edge.source is node and not edge.back:
                    key = node.key if edge.place < 0 else (*node.key, edge.place)
                    edge.label.key = key
                    arriving[edge.target.id].append(key)

    def _connect(self) -> None:
        """Put the label of every way into the layer after its source, and a bend into every further one it crosses."""
        for edge in self.edges:
            if edge.back:
                self._connect_back(edge)
                continue
            edge.label.layer = edge.source.layer + 1
            chain = [edge.source, edge.label]
            for layer in range(edge.source.layer + 2, edge.target.layer):
                bend = _Node(f"{edge.label.id}\x00{layer}", layer=layer, key=edge.label.key)
                self.bends.append(bend)
                chain.append(bend)
            chain.append(edge.target)
            edge.through = chain
            for one, two in pairwise(chain):
                one.after.append(two)
                two.before.append(one)

    def _connect_back(self, edge: _Edge) -> None:
        """Keep a way up free beside the round, between it and the way that goes on."""
        key = (*edge.target.key, 0, _LAST)
        edge.label.layer, edge.label.key = edge.target.layer + 1, key
        top, *bends = [
            _Node(f"{edge.label.id}\x00{layer}", layer=layer, key=key)
            for layer in (edge.target.layer, *range(edge.target.layer + 2, edge.source.layer + 1))
        ]
        self.bends += [top, *bends]
        edge.through = [edge.target, top, edge.label, *bends, edge.source]

    def _in_layers(self) -> list[list[_Node]]:
        labels = [edge.label for edge in self.edges]
        every = [*self.nodes.values(), *labels, *self.bends]
        layers: list[list[_Node]] = [[] for _ in range(max(node.layer for node in every) + 1)]
        for node in every:
            layers[node.layer].append(node)
        for layer in layers:
            layer.sort(key=lambda node: node.key)
        return layers

    def _place_across(self) -> None:
        for layer in self.layers:
            _spread(layer, [0.0] * len(layer))
        chains = self._chains()
        for sweep in range(_SWEEPS):
            # Towards where they come from, then towards where they go, then both; at last every chain into one line.
            looks = ("before", "after") if sweep >= _SWEEPS // 2 else (("before",), ("after",))[sweep % 2]
            for layer in self.layers if sweep % 2 == 0 else reversed(self.layers):
                wanted, weights = [], []
                for node in layer:
                    chain = chains[id(node)]
                    near = [] if sweep >= _SWEEPS - _LINING_UP else _beside(chain, looks)
                    wanted.append(sum(one.x for one in near or chain) / len(near or chain))
                    weights.append(_STRAIGHT if len(chain) > 1 else 1.0)
                _spread(layer, wanted, weights)
        left = min(node.x - node.width / 2 for layer in self.layers for node in layer)
        for layer in self.layers:
            for node in layer:
                node.x += _MARGIN - left

    def _chains(self) -> dict[int, list[_Node]]:
        """Return for every node those that it should stand in one line with: where there is one way on, and one in."""
        chains = {id(node): [node] for layer in self.layers for node in layer}

        def join(one: _Node, two: _Node) -> None:
            if chains[id(one)] is not chains[id(two)]:
                whole = chains[id(one)] + chains[id(two)]
                chains.update((id(node), whole) for node in whole)

        for edge in self.edges:
            between = edge.through[1:-1]
            for one, two in pairwise(between):
                join(one, two)
            if not edge.back and len(between) == 1:
                if len(edge.source.after) == 1:
                    join(edge.source, edge.label)
                if len(edge.target.before) == 1:
                    join(edge.label, edge.target)
        return chains

    def _place_down(self) -> None:
        y = float(_MARGIN)
        for layer in self.layers:
            height = max((node.height for node in layer), default=0)
            for node in layer:
                node.y = y + (height - node.height) / 2 if not node.kind else y
                if not node.kind and not node.height:
                    node.y, node.height = y, height
            y += height + _GAP_Y

    # --- how it looks

    def picture(self, title: str) -> Markup:
        """Return the SVG."""
        nodes = [node for layer in self.layers for node in layer]
        width = max(node.x + node.width / 2 for node in nodes) + _MARGIN
        height = max(node.y + node.height for node in nodes) + _MARGIN + 12 * any(edge.back for edge in self.edges)
        parts = [
            *(self._loop(edge) if edge.back else self._line(edge) for edge in self.edges),
            *(self._words(edge) for edge in self.edges),
            *(self._shape(node) for node in self.nodes.values()),
        ]
        return Markup(
            '<svg class="flow-graph" role="img" aria-label="{}" width="{}" height="{}" viewBox="0 0 {} {}" '
            'xmlns="http://www.w3.org/2000/svg">{}</svg>'
        ).format(title, round(width), round(height), round(width), round(height), Markup("").join(parts))

    def _thickness(self, edge: _Edge) -> float:
        most = max((other.count or 0 for other in self.edges), default=0)
        return 1.6 if not edge.count or not most else 1.8 + 9 * edge.count / most

    def _line(self, edge: _Edge) -> Markup:
        points: list[tuple[float, float]] = [(edge.source.x, edge.source.y + edge.source.height)]
        for node in edge.through[1:-1]:
            points += [(node.x, node.y), (node.x, node.y + node.height)]
        tip = edge.target.y
        points.append((edge.target.x, tip - 7))
        path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
        for (ax, ay), (bx, by) in pairwise(points):
            if abs(ax - bx) < 1:
                path.append(f"L{bx:.1f} {by:.1f}")
            else:
                half = (ay + by) / 2
                path.append(f"C{ax:.1f} {half:.1f} {bx:.1f} {half:.1f} {bx:.1f} {by:.1f}")
        none = " none" if edge.count == 0 else ""
        head = f"M{edge.target.x - 5:.1f} {tip - 8:.1f}l5 7.5l5 -7.5z"
        return Markup('<path class="way{}" d="{}" stroke-width="{:.1f}"/><path class="tip{}" d="{}"/>').format(
            none, " ".join(path), self._thickness(edge), none, head
        )

    def _loop(self, edge: _Edge) -> Markup:
        """Return the way back: below the last step of the round, up beside it, and into the side of the repeat."""
        source, target, lane = edge.source, edge.target, edge.through[1].x
        down, up = source.y + source.height, target.y + 22
        side = target.x + target.width / 2
        path = [f"M{source.x:.1f} {down:.1f}"]
        last = edge.through[-2].x
        path.append(f"C{source.x:.1f} {down + 20:.1f} {last:.1f} {down + 20:.1f} {last:.1f} {down - 12:.1f}")
        path += [
            f"L{bend.x:.1f} {bend.y + bend.height / 2:.1f}"
            for bend in reversed(edge.through[2:-1])
            if bend is not edge.label
        ]
        tip = side + 9
        path.append(
            f"L{lane:.1f} {up + 24:.1f}C{lane:.1f} {up:.1f} {max(lane - 16, tip):.1f} {up:.1f} {tip:.1f} {up:.1f}"
        )
        none = " none" if edge.count == 0 else ""
        head = f"M{tip:.1f} {up - 5:.1f}l-7.5 5l7.5 5z"
        return Markup('<path class="way{}" d="{}" stroke-width="{:.1f}"/><path class="tip{}" d="{}"/>').format(
            none, " ".join(path), min(self._thickness(edge), 5), none, head
        )

    def _words(self, edge: _Edge) -> Markup:
        lines = _wrapped(edge.text)
        said = self._said(edge.source.id, edge.count)
        if not lines and not said:
            return Markup("")
        label = edge.label
        left, y = label.x - label.width / 2, label.y
        out = [
            Markup(
                '<g><title>{}</title><rect class="pill" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="9"/>'
            ).format(f"{edge.text} {said}".strip(), left, y, label.width, label.height)
        ]
        y += 13.5
        for line in lines:
            out.append(
                Markup('<text class="c" text-anchor="middle" x="{:.1f}" y="{:.1f}">{}</text>').format(label.x, y, line)
            )
            y += _LINE
        if said:
            out.append(
                Markup('<text class="n" text-anchor="middle" x="{:.1f}" y="{:.1f}">{}</text>').format(
                    label.x, y + 0.5, said
                )
            )
        out.append(Markup("</g>"))
        return Markup("").join(out)

    def _shape(self, node: _Node) -> Markup:
        left, top = node.x - node.width / 2, node.y
        out = [
            Markup(
                '<g><title>{}</title><rect class="box" x="{:.1f}" y="{:.1f}" width="{}" height="{}" rx="11"/>'
                '<rect class="k-{}" x="{:.1f}" y="{:.1f}" width="24" height="24" rx="7"/>'
                '<path class="icon" transform="translate({:.1f} {:.1f})" d="{}"/>'
            ).format(
                node.full, left, top, node.width, node.height, node.kind, left + 8, top + 8, left + 12, top + 12,
                _ICONS.get(node.kind, ""),
            ),
        ]  # fmt: skip
        y = top + 9.0
        for line in _lines(node.title, _CHARS, 2):
            y += 16
            out.append(Markup('<text class="t" x="{:.1f}" y="{:.1f}">{}</text>').format(left + 41, y, line))
        for css, line in (*([("d", node.detail)] if node.detail else []), *(("n", note) for note in node.notes)):
            y += _LINE
            out.append(
                Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(
                    css, left + 41, y, _cut(line, _SMALL_CHARS)
                )
            )
        out.append(Markup("</g>"))
        return Markup("").join(out)


def _beside(chain: list[_Node], looks: Iterable[str]) -> list[_Node]:
    """Return what these are connected to and what is none of them."""
    own = {id(member) for member in chain}
    return [one for member in chain for look in looks for one in getattr(member, look) if id(one) not in own]


def _spread(layer: list[_Node], wanted: Sequence[float], weights: Sequence[float] = ()) -> None:
    """Place the nodes of a layer as near as can be to where they want to be, in their order and apart.

    Least squares under an order is isotonic regression: neighbours that would overlap move together as one block.
    """
    offset, offsets = 0.0, []
    for number, node in enumerate(layer):
        if number:
            offset += (layer[number - 1].width + node.width) / 2 + _GAP_X
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []
    for place, want in enumerate(wanted):
        weight = weights[place] if weights else 1.0
        total, count = weight * (want - offsets[place]), 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / weight:
            more, heavy, others = blocks.pop()
            total, weight, count = total + more, weight + heavy, count + others
        blocks.append((total, weight, count))
    place = 0
    for total, weight, count in blocks:
        for _ in range(count):
            layer[place].x = total / weight + offsets[place]
            place += 1


def _common(keys: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return what all these begin with: where ways come together again is where they had parted."""
    shortest = min(keys, key=len)
    for place, part in enumerate(shortest):
        if any(key[place] != part for key in keys):
            return shortest[:place]
    return shortest


def _wrapped(text: str) -> list[str]:
    return _lines(text, _LABEL_CHARS, _LABEL_LINES)


def _lines(text: str, wide: int, most: int) -> list[str]:
    """Return the text in lines; what does not fit in is cut."""
    lines = textwrap.wrap(text, wide, break_long_words=True)
    return lines if len(lines) <= most else [*lines[: most - 1], _cut(" ".join(lines[most - 1 :]), wide)]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


__all__ = ["END", "START", "STYLE", "draw"]
