"""Exactly what will be sent, as rows that a reviewer can read and change, with each fault beside what it is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from nightlight.core.document import Fault, Node, Row
from nightlight.reporting.cybertipline.codes import explained
from nightlight.reporting.cybertipline.labels import label
from nightlight.reporting.cybertipline.order import ordered
from nightlight.reporting.cybertipline.schema import Element, Form, Group, Value
from nightlight.reporting.cybertipline.shape import paths
from nightlight.reporting.cybertipline.table import ROOTS


def rows(document: Node, faults: Sequence[Fault] = (), language: str = "en") -> tuple[Row, ...]:
    """One row an element, in the order in which it is sent. A fault about something that is not there, or that no row has, stands at the
    nearest row around it. Raises Invalid where the format has no such element."""
    document = ordered(document)
    found = list(_rows(document, ROOTS[document.name], f"/{document.name}", 0, 0, language))
    told: dict[str, list[str]] = {}
    known = {row.path for row in found}
    for fault in faults:
        told.setdefault(_nearest(fault.path, known, f"/{document.name}"), []).append(_words(fault, known, language))
    return tuple(_with_faults(row, told.get(row.path, ())) for row in found)


def may_add(document: Node, path: str, language: str = "en") -> tuple[tuple[str, str], ...]:
    """The elements that may still be put into the group at `path`: name and label, in the order of the format."""
    node = document.at(path)
    element = _element_at(path)
    if node is None or element is None or not isinstance(element.holds, Group):
        return ()
    there = {child.name for child in node.children}
    taken = {place for place, one in element.holds.elements() if one.name in there and not one.many}
    return tuple((one.name, label(one.name, language)) for place, one in element.holds.elements() if one.many or place not in taken)


def _rows(node: Node, element: Element, path: str, depth: int, number: int, language: str) -> Iterator[Row]:
    name = label(node.name, language) + (f" {number}" if number else "")
    value = element.holds if isinstance(element.holds, Value) else None
    yield Row(
        path=path,
        label=name,
        depth=depth,
        value=node.text if value is not None else None,
        attributes=tuple((label(f"@{key}", language), text) for key, text in node.attributes.items()),
        most=value.most if value is not None else None,
        choices=value.choices if value is not None and value.form is Form.CHOICE else (),
        long=value is not None and value.form is Form.TEXT and (value.most is None or value.most >= 1000),
        flag=value is not None and value.form is Form.EMPTY,
        required=element.required,
    )
    if isinstance(element.holds, Group):
        at = paths(path, [child.name for child in node.children])
        for child, where in zip(node.children, at, strict=True):
            found = element.holds.find(child.name)
            if found is not None:
                nth = int(where.rpartition("[")[2][:-1]) if where.endswith("]") else 0
                yield from _rows(child, found[1], where, depth + 1, nth, language)


def _nearest(path: str, known: set[str], root: str) -> str:
    while path not in known:
        path, _, _ = path.rpartition("/")
        if not path:
            return root
    return path


def _words(fault: Fault, known: set[str], language: str) -> str:
    words = explained(fault, language)
    if fault.path in known or fault.path == "/":
        return words
    return f"{label(fault.path.rpartition('/')[2].partition('[')[0], language)}: {words}"


def _with_faults(row: Row, faults: Sequence[str]) -> Row:
    return replace(row, faults=tuple(faults)) if faults else row


def _element_at(path: str) -> Element | None:
    names = [step.partition("[")[0] for step in path.strip("/").split("/")]
    element = ROOTS.get(names[0])
    for name in names[1:]:
        found = element.holds.find(name) if element is not None and isinstance(element.holds, Group) else None
        element = found[1] if found is not None else None
    return element
