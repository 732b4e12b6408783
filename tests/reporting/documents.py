"""Documents made from the table: whole ones, arbitrary valid ones, and each rule broken alone.

Nothing here says anything about anybody: texts are random characters or invented words.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.document import Node
from nightlight.reporting.cybertipline.schema import Attribute, Choice, Element, Form, Group, Value
from nightlight.reporting.cybertipline.table import SUPPLEMENTAL

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG_AGO = "2025-06-03T10:15:00Z"
FUTURE = "2026-03-01T12:00:01Z"
PIECES = (
    "plim",
    "dorrow",
    " ",
    "\n",
    "\t",
    "\r",
    "\r\n",
    "&",
    "<",
    ">",
    '"',
    "'",
    "]]>",
    "<!--",
    "é",
    "ß",
    "日本",
    "🌒",
    "\u0085",
    "\u2028",
    "&amp;",
    ";",
)

GOOD: dict[Form, tuple[str, ...]] = {
    Form.EMPTY: ("",),
    Form.BOOLEAN: ("true", "false", "1", "0"),
    Form.MOMENT: (LONG_AGO, "2025-06-03T10:15:00.125-07:00", "2012-02-29T23:59:59+05:30", "2026-03-01T12:00:00Z"),
    Form.DAY: ("2012-05-30", "1999-12-31"),
    Form.IP: ("203.0.113.7", "2001:db8::7", "::ffff:203.0.113.9"),
    Form.EMAIL: ("a@example.com", "first.last+tag@mail.example.co.uk", "x_y@xn--bcher-kva.example", "jo@bücher.example"),
}
BAD: dict[Form, tuple[tuple[str, str], ...]] = {
    Form.BOOLEAN: (("yes", "not_boolean"), ("TRUE", "not_boolean")),
    Form.WHOLE: (("ten", "not_number"), ("1.5", "not_number"), ("9" * 5000, "not_number")),
    Form.DECIMAL: (("north", "not_number"), ("nan", "not_number"), ("1e3", "not_number")),
    Form.MOMENT: (
        ("2025-06-03T10:15:00", "no_zone"),
        ("2025-06-03", "not_moment"),
        ("03/06/2025 10:15", "not_moment"),
        ("2025-02-30T10:15:00Z", "not_moment"),
        ("2025-06-03T10:15:00+19:00", "not_moment"),
    ),
    Form.DAY: (("30.5.2012", "not_day"), ("2011-02-29", "not_day")),
    Form.IP: (
        ("203.0.113.256", "not_ip"),
        ("203.0.113.7:443", "not_ip"),
        ("203.0.113.0/24", "not_ip"),
        ("fe80::1%eth0", "not_ip"),
        ("host", "not_ip"),
    ),
    Form.EMAIL: (
        ("nobody", "not_email"),
        ("a@b", "not_email"),
        ("two@example.com, three@example.com", "not_email"),
        ("a@@example.com", "not_email"),
        ("a..b@example.com", "not_email"),
        ("Jo <jo@example.com>", "not_email"),
    ),
    Form.CHOICE: (("something else", "not_in_list"),),
    Form.PATTERN: (("x", "not_pattern"),),
    Form.EMPTY: (("false", "not_empty"), ("true", "not_empty")),
}


class Broken(Struct, frozen=True):
    """A document with one rule broken, and what must be said of it."""

    document: Node
    path: str
    code: str


def whole(element: Element, pick: int = 0) -> Node:
    """Everything once; of a choice the one at `pick`."""
    return _made(element, Random(7), full=True, pick=pick)


def valid(element: Element, seed: int) -> Node:
    """An arbitrary valid document: every optional part there or not, lists of up to three, any text that XML carries."""
    random = Random(seed)
    return _lawful(_made(element, random, full=False, pick=random.randrange(8)), random)


def _made(element: Element, random: Random, *, full: bool, pick: int) -> Node:
    attributes = {a.name: _text(a.value, random, full) for a in element.attributes if full or a.required or random.random() < 0.5}
    if not isinstance(element.holds, Group):
        node = Node(element.name, _text(element.holds, random, full), attributes)
        return _with_hash(node, random) if element.name == "originalFileHash" else node
    children: list[Node] = []
    for part in element.holds.parts:
        if isinstance(part, Choice):
            if full or part.required or random.random() < 0.5:
                children.append(_made(part.of[pick % len(part.of)], random, full=full, pick=pick))
            continue
        most = 3 if part.many else 1
        number = 1 if full else random.randint(1 if part.required else 0, most)
        children += [_made(part, random, full=full, pick=random.randrange(8) if not full else pick) for _ in range(number)]
    return Node(element.name, "", attributes, tuple(children))


def _text(value: Value, random: Random, full: bool) -> str:
    if value.form is Form.CHOICE:
        return random.choice(value.choices)
    if value.form in (Form.WHOLE, Form.DECIMAL):
        return str(random.randint(int(value.least or 0), int(min(value.greatest or 0, 10**6))))
    if value.form is Form.PATTERN:
        return "+34" if value.pattern.startswith("\\+") else "123"
    if value.form in GOOD:
        return random.choice(GOOD[value.form])
    text = "word" + "".join(random.choice(PIECES) for _ in range(0 if full else random.randrange(12)))
    return text[: value.most]


def _with_hash(node: Node, random: Random) -> Node:
    kind, digits = random.choice((("MD5", 32), ("SHA-1", 40), ("sha256", 64), ("PDQ", 64)))
    return replace(node, text="".join(random.choice("0123456789abcdefABCDEF") for _ in range(digits)), attributes={"hashType": kind})


def _lawful(node: Node, random: Random) -> Node:
    """What only a rule between elements can see, put right."""
    if node.name == "fileDetails":
        if node.value("fileRelevance") == SUPPLEMENTAL:
            keep = tuple(c for c in node.children if c.name not in ("industryClassification", "potentialMeme", "fileAnnotations"))
            return replace(node, children=keep)
        return node
    account = Node("espIdentifier", "u1")
    children = []
    for child in node.children:
        if child.name in ("victim", "personOrUserReported") and not any(c.name == "espIdentifier" for c in child.children):
            people = tuple(c for c in child.children if c.name.endswith("Person"))
            rest = tuple(c for c in child.children if not c.name.endswith("Person") and c.name != "vehicleDescription")
            vehicle = tuple(c for c in child.children if c.name == "vehicleDescription")
            child = replace(child, children=(*people, *vehicle, account, *rest))
        children.append(child)
    return replace(node, children=tuple(children))


def breakages(root: Element, document: Node) -> Iterator[Broken]:
    """Every rule of the table broken alone, at every place of a whole document. Texts first, then what stands where."""
    yield from _broken(root, document, f"/{root.name}")


def _broken(element: Element, node: Node, path: str) -> Iterator[Broken]:
    for attribute in element.attributes:
        for text, code in bad_texts(attribute.value):
            yield Broken(replace(node, attributes={**node.attributes, attribute.name: text}), f"{path}/@{attribute.name}", code)
        if attribute.required:
            yield Broken(replace(node, attributes=_without(node, attribute)), f"{path}/@{attribute.name}", "missing_attribute")
    yield Broken(replace(node, attributes={**node.attributes, "nonsense": "1"}), f"{path}/@nonsense", "unknown_attribute")
    if not isinstance(element.holds, Group):
        for text, code in bad_texts(element.holds):
            yield Broken(replace(node, text=text), path, code)
        code = "not_empty" if element.holds.form is Form.EMPTY else "not_a_value"
        yield Broken(replace(node, text="", children=(Node("b", "x"),)), path, code)
        return
    yield from _broken_group(element.holds, node, path)
    for index, child in enumerate(node.children):
        found = element.holds.find(child.name)
        assert found is not None
        for broken in _broken(found[1], child, f"{path}/{child.name}"):
            yield replace(broken, document=_with(node, index, broken.document))


def _broken_group(group: Group, node: Node, path: str) -> Iterator[Broken]:
    children = node.children
    yield Broken(replace(node, children=(*children, Node("nonsense"))), f"{path}/nonsense", "unknown_element")
    yield Broken(replace(node, children=(Node("{urn:x}age", "5"), *children)), f"{path}/{{urn:x}}age", "namespace")
    yield Broken(replace(node, text="loose words"), path, "text_here")
    for index, child in enumerate(children):
        found = group.find(child.name)
        assert found is not None
        place, element = found
        part = group.parts[place]
        without = replace(node, children=children[:index] + children[index + 1 :])
        if isinstance(part, Choice):
            other = next(one for one in part.of if one.name != child.name)
            beside = (*children[: index + 1], Node(other.name), *children[index + 1 :])
            yield Broken(replace(node, children=beside), f"{path}/{other.name}", "one_of")
            if part.required:
                yield Broken(without, path, "one_of")
        elif element.required:
            yield Broken(without, f"{path}/{child.name}", "missing")
        if not element.many:
            twice = (*children[:index], child, child, *children[index + 1 :])
            yield Broken(replace(node, children=twice), f"{path}/{child.name}[2]", "too_many")
        if index:
            swapped = (*children[: index - 1], child, children[index - 1], *children[index + 1 :])
            yield Broken(replace(node, children=swapped), f"{path}/{child.name}", "order")


def bad_texts(value: Value) -> Iterator[tuple[str, str]]:
    yield from BAD.get(value.form, ())
    if value.form is not Form.EMPTY:
        yield "  \n ", "empty"
    if value.most is not None:
        yield "w" * (value.most + 1), "too_long"
    if value.least is not None and value.greatest is not None:
        yield str(int(value.least) - 1), "out_of_range"
        if value.greatest < 2**62:
            yield str(int(value.greatest) + 1), "out_of_range"
    if value.past:
        yield (FUTURE, "not_past") if value.form is Form.MOMENT else ("2026-03-03", "not_past")


def _without(node: Node, attribute: Attribute) -> dict[str, str]:
    return {name: text for name, text in node.attributes.items() if name != attribute.name}


def _with(node: Node, index: int, child: Node) -> Node:
    return replace(node, children=(*node.children[:index], child, *node.children[index + 1 :]))
