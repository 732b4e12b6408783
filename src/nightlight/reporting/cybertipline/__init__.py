"""NCMEC's CyberTipline document: one table of it, and the writer, reader and validator that follow the table.

The legacy words of the wire format live here and nowhere else. `<report>` is the report itself, `<fileDetails>` what is said of one
file; the authority gives the ids that the latter carries when the report is opened and the file is uploaded.
"""

from __future__ import annotations

from datetime import datetime
from itertools import islice

from msgspec.structs import replace

from nightlight.core.document import Fault, Node
from nightlight.core.errors import Invalid, TooLarge
from nightlight.reporting.cybertipline.order import ordered
from nightlight.reporting.cybertipline.rules import rule_faults
from nightlight.reporting.cybertipline.shape import shape_faults
from nightlight.reporting.cybertipline.table import ROOTS
from nightlight.reporting.cybertipline.xmltext import Refused, parse, render

MAX_FAULTS = 200
"""Of one document: who has more needs another document, not a longer list."""


def write(document: Node) -> bytes:
    """The XML of a `report` or `fileDetails`, its elements put into the authority's order. The same document gives the same bytes.

    Says nothing about whether it is right: that is `check`. Raises Invalid, naming the path, where the format has no such element.
    """
    return render(ordered(document))


def read(xml: bytes) -> Node:
    """The document as it stands. Raises Invalid or TooLarge for bytes that are no XML of ours, in `check`'s words."""
    try:
        node = parse(xml)
    except Refused as refused:
        error = TooLarge if refused.code.startswith("too_") else Invalid
        raise error(refused.message, field="/") from None
    if node.name not in ROOTS:
        raise Invalid(_ROOT_WANTED, field="/")
    return node


def check(xml: bytes, now: datetime) -> tuple[Fault, ...]:
    """Everything that the authority would refuse, or that would mislead it, in the order of the document; at most 200 and a last word.

    `now` has a zone: incidents lie before it. Never raises for whatever bytes.
    """
    try:
        return check_document(parse(xml), now)
    except Refused as refused:
        return (Fault(path="/", code=refused.code, message=refused.message),)


def check_document(document: Node, now: datetime) -> tuple[Fault, ...]:
    """The same of a document that is not XML yet."""
    element = ROOTS.get(document.name)
    if element is None:
        code = "namespace" if document.name.startswith("{") else "unknown_root"
        return (Fault(path="/", code=code, message=_ROOT_WANTED),)
    shape = shape_faults(document, element, now)
    found = list(islice(shape, MAX_FAULTS + 1))
    found += islice(rule_faults(document), MAX_FAULTS + 1)
    if len(found) > MAX_FAULTS:
        found[MAX_FAULTS:] = [Fault(path="/", code="more", message=f"there are more faults than the {MAX_FAULTS} shown; mend these first")]
    return tuple(found)


def with_ids(details: Node, report: str, file: str) -> Node:
    """`fileDetails` with the ids that the authority gave. Raises Invalid for any other document."""
    if details.name != "fileDetails":
        raise Invalid("only fileDetails carry these ids", field=f"/{details.name[:80]}")
    others = tuple(child for child in details.children if child.name not in ("reportId", "fileId"))
    return replace(details, children=(Node("reportId", report), Node("fileId", file), *others))


_ROOT_WANTED = f"the document must begin with one of: {', '.join(ROOTS)}, without a namespace"
