"""Reads the corpus of the sexual predator identification task of PAN-2012, as its organisers hand it out on request.

One XML file of conversations, a list of the predators' author ids, and a list of the lines that annotators found telling:

`<conversations><conversation id="..."><message line="1"><author>...</author><time>03:20</time><text>...</text></message>...`

A conversation is labelled 1 where a listed author writes in it. No role is given to anybody: to tell a detector who the predator is
would be to tell it the answer. The file may be larger than memory, and may come from anywhere: one conversation is held at a time,
document types and entities are refused, and so is a conversation without end.
"""

from __future__ import annotations

import html
import zlib
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

import msgspec
from msgspec import Struct

from nightlight.core.errors import Invalid
from nightlight.core.event import MAX_TEXT
from nightlight.kit.corpus import BadLine, Conversation, opened

SOURCE = "pan2012"
MOST = 32 * 1024 * 1024
"""Characters of one conversation; the longest of the corpus has a few hundred thousand."""
_CHUNK = 1 << 18


def predators(path: Path) -> frozenset[str]:
    """Author ids, one a line. Raises Invalid where there is none: without them every conversation would pass for harmless."""
    found = frozenset(line.strip() for line in _text(path).splitlines()) - {""}
    if not found:
        raise Invalid(f"{path.name}: holds no author id")
    return found


def marked_lines(path: Path) -> dict[str, frozenset[str]]:
    """Line numbers by conversation id, from `conversation line` a line, parted by white space. Raises Invalid."""
    found: dict[str, set[str]] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        words = line.split()
        if words and len(words) != 2:
            raise Invalid(f"{path.name}: line {number}: expected a conversation's id and a line's number")
        if words:
            found.setdefault(words[0], set()).add(words[1])
    return {conversation: frozenset(lines) for conversation, lines in found.items()}


def read(
    path: Path, predators: Set[str], marked: Mapping[str, Set[str]] | None = None, *, source: str = SOURCE, language: str | None = "en"
) -> Iterator[Conversation | BadLine]:
    """The conversations, one at a time. One that does not fit the corpus format is a BadLine by its line in the XML.

    XML that cannot be read on ends with a last BadLine. Raises FileNotFoundError.
    """
    marked = marked or {}
    with opened(path) as file:
        for raw in _Reader().run(file):
            if isinstance(raw, BadLine):
                yield raw
                continue
            telling = marked.get(raw.id, frozenset())
            wire = {
                "conversation": raw.id,
                "source": source,
                "label": int(any(message.author in predators for message in raw.messages)),
                "messages": [_wire(message, message.line in telling) for message in raw.messages],
                "language": language,
            }
            try:
                yield msgspec.convert(wire, Conversation)
            except msgspec.ValidationError as error:
                yield BadLine(raw.at, str(error))


class _Message(Struct):
    line: str
    author: str = ""
    time: str = ""
    text: str = ""


class _Raw(Struct):
    id: str
    at: int
    """Line of the XML file."""
    messages: list[_Message]


def _wire(raw: _Message, marked: bool) -> dict[str, object]:
    # The corpus escapes twice: once for XML, once for the web pages that it was made of.
    text = html.unescape(raw.text)[:MAX_TEXT].replace("\0", "\ufffd")
    return {"at": _seconds(raw.time), "author": raw.author, "text": text, "marked": marked}


def _seconds(time: str) -> object:
    """Seconds of the day of `03:20`; what is no time is handed on, to be refused with its place."""
    hours, _, minutes = time.partition(":")
    if hours.isascii() and minutes.isascii() and hours.isdigit() and minutes.isdigit() and len(hours) + len(minutes) <= 4:
        return int(hours) * 3600 + int(minutes) * 60
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{path.name}: not UTF-8") from None


class _Refused(Exception):
    pass


class _Reader:
    """Conversations as expat reports them. What stands outside the elements that we know is passed over."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        # Entities that name entities can grow without end, and a document type can name files: the corpus has neither.
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._ready: list[_Raw] = []
        self._conversation: _Raw | None = None
        self._message: _Message | None = None
        self._field: str | None = None
        self._words: list[str] = []
        self._size = self._fed = 0

    def run(self, file: BinaryIO) -> Iterator[_Raw | BadLine]:
        try:
            while chunk := file.read(_CHUNK):
                self._fed += len(chunk)
                self._parser.Parse(chunk, False)
                yield from self._ready
                self._ready.clear()
                if self._fed - self._parser.CurrentByteIndex > MOST:
                    raise _Refused(f"a tag of more than {MOST} bytes")
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            reason = f"not well-formed XML: {expat.ErrorString(error.code)}"
        except _Refused as error:
            reason = str(error)
        except (EOFError, OSError, zlib.error) as error:
            reason = f"cannot be decompressed: {type(error).__name__}"
        except (LookupError, ValueError):
            reason = "an encoding that is not known"
        else:
            yield from self._ready
            return
        yield from self._ready
        yield BadLine(self._parser.CurrentLineNumber, reason)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "conversation":
            self._conversation, self._size = _Raw(attributes.get("id", ""), self._parser.CurrentLineNumber, []), 0
        elif name == "message" and self._conversation is not None:
            self._message = _Message(attributes.get("line", ""))
            self._grow(64)
        elif self._message is not None and name in ("author", "time", "text"):
            self._field, self._words = name, []

    def _end(self, name: str) -> None:
        if name == self._field and self._message is not None:
            said = "".join(self._words)
            setattr(self._message, name, said if name == "text" else said.strip())
            self._field = None
        elif name == "message" and self._message is not None and self._conversation is not None:
            self._conversation.messages.append(self._message)
            self._message = self._field = None
        elif name == "conversation" and self._conversation is not None:
            self._ready.append(self._conversation)
            self._conversation = self._message = self._field = None

    def _data(self, data: str) -> None:
        if self._field is not None:
            self._words.append(data)
            self._grow(len(data))

    def _grow(self, by: int) -> None:
        self._size += by
        if self._size > MOST:
            raise _Refused(f"a conversation of more than {MOST} characters")

    def _refuse(self, *_: object) -> None:
        raise _Refused("has a document type, which the corpus has not: refused")
