"""A tree put into the order of the table: what the writer writes may be built in any order."""

from __future__ import annotations

from msgspec.structs import replace

from nightlight.core.document import Node
from nightlight.core.errors import Invalid
from nightlight.reporting.cybertipline.schema import Element, Group
from nightlight.reporting.cybertipline.table import ROOTS


def ordered(root: Node) -> Node:
    """Raises Invalid, naming the path, for an element or attribute that the format does not have."""
    if root.name not in ROOTS:
        raise Invalid(f"the document must begin with one of: {', '.join(ROOTS)}", field=f"/{root.name[:80]}")
    return _ordered(root, ROOTS[root.name], f"/{root.name}")


def _ordered(node: Node, element: Element, path: str) -> Node:
    known = {attribute.name for attribute in element.attributes}
    for name in node.attributes:
        if name not in known:
            raise Invalid("the format has no such attribute", field=f"{path}/@{name[:80]}")
    if not isinstance(element.holds, Group):
        if node.children:
            raise Invalid("holds a value, not elements", field=path)
        return _attributes_in_order(node, element)
    placed: list[tuple[int, Node]] = []
    for child in node.children:
        found = element.holds.find(child.name)
        if found is None:
            raise Invalid("the format has no such element here", field=f"{path}/{child.name[:80]}")
        placed.append((found[0], _ordered(child, found[1], f"{path}/{child.name}")))
    placed.sort(key=lambda one: one[0])  # stable: elements of one name stay in the order they came in
    return replace(_attributes_in_order(node, element), children=tuple(child for _, child in placed))


def _attributes_in_order(node: Node, element: Element) -> Node:
    return replace(node, attributes={a.name: node.attributes[a.name] for a in element.attributes if a.name in node.attributes})
