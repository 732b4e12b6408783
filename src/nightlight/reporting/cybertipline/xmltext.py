"""XML to a tree of `Node` and back, and nothing else: bounded in size, depth and number, without DTD and so without entities.

The bytes may come from anywhere (`nightlight report validate` reads whatever file it is given), so a document that could make the
reader fetch, grow or recurse is refused before it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.parsers import expat

from nightlight.core.document import Node
from nightlight.core.errors import Invalid, TooLarge

MAX_BYTES = 4 * 1024 * 1024
"""Of one document. The longest lawful report that we can think of is some hundreds of kilobytes; files go beside it, not in it."""
MAX_DEPTH = 16
"""The deepest element of the format lies at 6."""
MAX_ELEMENTS = 50_000
MAX_ATTRIBUTES = 16
"""Of one element; the format has five at most."""
SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_HINTS = {f"{SCHEMA_INSTANCE} noNamespaceSchemaLocation", f"{SCHEMA_INSTANCE} schemaLocation"}
"""Say where a schema lies; authors' tools put them on the root. They are read over and never followed."""


_UNCARRIED = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


class Refused(Exception):
    """Why bytes are no document that we read. `code` is a `Fault`'s."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Open:
    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Node] = []
        self.text: list[str] = []

    def closed(self) -> Node:
        text = "".join(self.text)
        if self.children and not text.strip():
            text = ""  # layout between elements
        return Node(name=self.name, text=text, attributes=self.attributes, children=tuple(self.children))


def parse(xml: bytes) -> Node:
    """The document as it stands, whatever its elements are. Raises Refused.

    A name in a namespace comes as `{namespace}name`, which no element of the format is called.
    """
    if len(xml) > MAX_BYTES:
        raise Refused("too_large", f"the document is larger than {MAX_BYTES // 2**20} MiB; files are sent beside a report, not inside it")
    try:
        xml.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("encoding", f"byte {error.start} is not UTF-8; the document must be written as UTF-8") from None
    return _Reader().read(xml)


class _Reader:
    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._count = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declared
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def read(self, xml: bytes) -> Node:
        try:
            self._parser.Parse(xml, True)
        except expat.ExpatError as error:
            where = f"line {error.lineno}, column {error.offset + 1}"
            raise Refused("malformed", f"this is not well-formed XML ({where}): {expat.ErrorString(error.code)}") from None
        except (ValueError, LookupError):  # an encoding that Python does not know, or that needs several bytes a character
            raise Refused("encoding", "the document declares an encoding other than UTF-8; it must be UTF-8") from None
        if self._root is None:
            raise Refused("malformed", "the document is empty")
        return self._root

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise Refused("encoding", "the document declares an encoding other than UTF-8; it must be UTF-8")

    def _doctype(self, *declaration: object) -> None:
        raise Refused("doctype", "the document has a DOCTYPE, which is refused unread; delete it, the format needs none")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise Refused(
                "too_many_elements", f"the document has more than {MAX_ELEMENTS:,} elements; put long lists into an attached file"
            )
        if len(self._stack) >= MAX_DEPTH:
            raise Refused("too_deep", f"elements are nested more than {MAX_DEPTH} deep; the format needs 6")
        if len(attributes) > MAX_ATTRIBUTES:
            raise Refused("too_many_attributes", f"an element has more than {MAX_ATTRIBUTES} attributes; the format needs 5")
        kept = {_name(key): value for key, value in attributes.items() if self._stack or key not in _HINTS}
        self._stack.append(_Open(_name(name), kept))

    def _end(self, name: str) -> None:
        node = self._stack.pop().closed()
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self._root = node

    def _characters(self, text: str) -> None:
        self._stack[-1].text.append(text)


def _name(qualified: str) -> str:
    namespace, _, local = qualified.rpartition(" ")
    return f"{{{namespace}}}{local}" if namespace else local


def render(root: Node) -> bytes:
    """UTF-8 XML with a declaration, one element a line, in the order of the tree. The same tree always gives the same bytes.

    Raises Invalid, naming the element, where a text holds a character that XML cannot carry, or an element text and elements both;
    TooLarge where nobody would read it again.
    """
    xml = ('<?xml version="1.0" encoding="UTF-8"?>\n' + "".join(_lines(root, "", f"/{root.name}"))).encode()
    if len(xml) > MAX_BYTES:
        raise TooLarge(f"the document is larger than {MAX_BYTES // 2**20} MiB", field=f"/{root.name}")
    return xml


def _lines(node: Node, indent: str, path: str) -> Iterator[str]:
    if node.children and node.text:
        raise Invalid("an element holds text or elements, never both", field=path)
    if len(path) > 2000 or path.count("/") > MAX_DEPTH:
        raise Invalid(f"elements are nested more than {MAX_DEPTH} deep", field=path[:200])
    attributes = "".join(f' {key}="{_attribute(value, path)}"' for key, value in node.attributes.items())
    if node.children:
        yield f"{indent}<{node.name}{attributes}>\n"
        for child in node.children:
            yield from _lines(child, indent + "  ", f"{path}/{child.name}")
        yield f"{indent}</{node.name}>\n"
    elif node.text:
        yield f"{indent}<{node.name}{attributes}>{_escaped(node.text, path)}</{node.name}>\n"
    else:
        yield f"{indent}<{node.name}{attributes}/>\n"


def carries(text: str) -> bool:
    """Whether XML 1.0 can carry every character of it."""
    return _UNCARRIED.search(text) is None


def cleaned(text: str) -> str:
    """The text with a replacement sign for each character that XML cannot carry."""
    return _UNCARRIED.sub("\N{REPLACEMENT CHARACTER}", text)


def _escaped(text: str, path: str) -> str:
    if not carries(text):
        raise Invalid("holds a character that XML cannot carry", field=path)
    # A bare carriage return would come back as a line feed.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def _attribute(text: str, path: str) -> str:
    return _escaped(text, path).replace('"', "&quot;").replace("\t", "&#9;").replace("\n", "&#10;")
