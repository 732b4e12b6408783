"""Whether a document has the shape of the table: elements, their order and number, choices, attributes, values."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches

from nightlight.core.document import Fault, Node
from nightlight.reporting.cybertipline.schema import Choice, Element, Group
from nightlight.reporting.cybertipline.values import fault_of


def shape_faults(node: Node, element: Element, now: datetime, path: str | None = None) -> Iterator[Fault]:
    """In the order of the document."""
    path = f"/{node.name}" if path is None else path
    yield from _attributes(node, element, now, path)
    if isinstance(element.holds, Group):
        if node.text.strip():
            yield Fault(path=path, code="text_here", message="holds loose text between its elements; put it into one of them")
        yield from _group(node, element.holds, now, path)
    elif node.children:
        if element.holds.form == "empty":
            yield Fault(path=path, code="not_empty", message="must be an empty element: that it is there says yes; to say no, leave it out")
        else:
            inside = ", ".join(dict.fromkeys(_shown(child.name) for child in node.children[:3]))
            yield Fault(path=path, code="not_a_value", message=f"must hold a value, not elements (it holds {inside})")
    elif wrong := fault_of(element.holds, node.text, now):
        yield Fault(path=path, code=wrong[0], message=wrong[1])


def paths(parent: str, names: Sequence[str]) -> list[str]:
    """The path of each child: numbered from 1 where a name stands more than once."""
    total = Counter(names)
    seen: Counter[str] = Counter()
    out = []
    for name in names:
        seen[name] += 1
        out.append(f"{parent}/{_shown(name)}" + (f"[{seen[name]}]" if total[name] > 1 else ""))
    return out


def _attributes(node: Node, element: Element, now: datetime, path: str) -> Iterator[Fault]:
    known = {attribute.name: attribute for attribute in element.attributes}
    for name, text in node.attributes.items():
        at = f"{path}/@{_shown(name)}"
        if name not in known:
            allowed = f"allowed: {', '.join(known)}" if known else "this element has none"
            yield Fault(path=at, code="unknown_attribute", message=f"the format has no such attribute here; {allowed}")
        elif wrong := fault_of(known[name].value, text, now):
            yield Fault(path=at, code=wrong[0], message=wrong[1])
    for name, attribute in known.items():
        if attribute.required and name not in node.attributes:
            yield Fault(path=f"{path}/@{name}", code="missing_attribute", message="is missing and must be there")


def _group(node: Node, group: Group, now: datetime, path: str) -> Iterator[Fault]:
    table = {element.name: (place, element) for place, element in group.elements()}
    names = [child.name for child in node.children]
    at = paths(path, names)
    count: Counter[str] = Counter()
    places = [table[name][0] if name in table else -1 for name in names]
    misplaced = _misplaced(places)
    chosen: dict[int, str] = {}
    for index, child in enumerate(node.children):
        if child.name not in table:
            yield _unknown(child.name, at[index], table)
            continue
        place, element = table[child.name]
        if isinstance(group.parts[place], Choice) and (first := chosen.setdefault(place, child.name)) != child.name:
            yield Fault(path=at[index], code="one_of", message=f"cannot stand beside {first}: exactly one of the two kinds is allowed")
            continue
        count[child.name] += 1
        if count[child.name] == 2 and not element.many:
            yield Fault(path=at[index], code="too_many", message=f"{child.name} may stand here only once; keep one and delete the others")
        if index in misplaced:
            yield Fault(path=at[index], code="order", message=_where(place, group))
        yield from shape_faults(child, element, now, at[index])
    for place, part in enumerate(group.parts):
        if isinstance(part, Choice):
            if part.required and place not in chosen:
                options = ", ".join(one.name for one in part.of)
                yield Fault(path=path, code="one_of", message=f"must hold exactly one of: {options}")
        elif part.required and not count[part.name]:
            yield Fault(path=f"{path}/{part.name}", code="missing", message="is missing and must be there")


def _unknown(name: str, at: str, table: dict[str, tuple[int, Element]]) -> Fault:
    if name.startswith("{"):
        return Fault(path=at, code="namespace", message="stands in a namespace; the format has none, so delete the xmlns and its prefix")
    close = get_close_matches(name[:80], table, n=1)
    hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(table)}"
    return Fault(path=at, code="unknown_element", message=f"the format has no such element here; {hint}")


def _where(place: int, group: Group) -> str:
    before = [element.name for at, element in group.elements() if at < place]
    after = [element.name for at, element in group.elements() if at > place]
    where = [f"after {before[-1]}"] if before else []
    where += [f"before {after[0]}"] if after else []
    return f"stands in the wrong place: it comes {' and '.join(where)}"


def _misplaced(places: Sequence[int]) -> frozenset[int]:
    """The fewest children that would have to move: those outside a longest run that is already in order. -1 is passed over."""
    tails: list[int] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for index, place in enumerate(places):
        if place < 0:
            continue
        at = bisect_right(tails, place)
        before[index] = ends[at - 1] if at else None
        if at == len(tails):
            tails.append(place)
            ends.append(index)
        else:
            tails[at] = place
            ends[at] = index
    kept: set[int] = set()
    step: int | None = ends[-1] if ends else None
    while step is not None:
        kept.add(step)
        step = before[step]
    return frozenset(index for index, place in enumerate(places) if place >= 0 and index not in kept)


def _shown(name: str) -> str:
    """A foreign name, short enough to print and without signs that a terminal obeys."""
    name = name if len(name) <= 80 else f"{name[:77]}..."
    return name if name.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
