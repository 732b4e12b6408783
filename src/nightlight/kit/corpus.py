"""Reads corpora of conversations, one JSON object a line (`.jsonl` or `.jsonl.gz`), and turns them into events.

`{"conversation": "c1", "source": "where it is from", "label": 0, "messages": [{"at": 33240, "author": "a", "text": "..."}]}`

`label` 1 marks a conversation that holds risk. `at` is seconds from the start of the day. A conversation may say its `language` (`en`,
`es-MX`). A message may also carry `role` (`adult`, `minor` or `unknown`: its author's), `to` (an account, or a list of them), `marked`
(annotators found this line telling) and `cues` (what they say it does, by the names of the learned cues). Real corpora have bad lines;
each is reported by its number, and the others are read.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import msgspec
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid
from nightlight.core.event import MAX_TARGETS, AgeBand, Assurance, Channel, ChannelKind, Id, Message, Party, Text

DAY_ONE = datetime(2025, 1, 1, tzinfo=UTC)
"""The day a corpus is dated to: its own times are of the day only."""
MAX_LINE = 256 * 1024 * 1024
"""Bytes of one conversation."""
PRESENT = 50
"""In a group, the authors of so many messages before count as present, and are addressed where the corpus names nobody."""

_QUOTED = re.compile(r"(['\"]).*\1", re.DOTALL)


class Role(StrEnum):
    ADULT = "adult"
    MINOR = "minor"
    UNKNOWN = "unknown"


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message of a corpus."""

    at: Annotated[float, Meta(ge=0, le=10**9)]
    author: Id
    text: Text
    role: Role = Role.UNKNOWN
    to: Id | Annotated[tuple[Id, ...], Meta(max_length=MAX_TARGETS)] | None = None
    marked: bool = False
    cues: Annotated[tuple[Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")], ...], Meta(max_length=8)] = ()


class Conversation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    conversation: Id
    source: Annotated[str, Meta(min_length=1, max_length=200)]
    label: Annotated[int, Meta(ge=0, le=1)]
    messages: Annotated[tuple[Line, ...], Meta(min_length=1)]
    language: Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{1,8})*\Z", max_length=35)] | None = None
    """A BCP 47 tag."""

    @property
    def positive(self) -> bool:
        return self.label == 1


class BadLine(Struct, frozen=True):
    """A line that could not be read. `reason` says what is wrong, never what is written there."""

    line: int
    """From 1."""
    reason: str


class Corpus(Struct, frozen=True):
    conversations: tuple[Conversation, ...]
    bad_lines: tuple[BadLine, ...]


def stream(path: Path) -> Iterator[Conversation | BadLine]:
    """The conversations of a file, one at a time; blank lines are skipped.

    A file that ends in the middle of its compression, or whose bytes are no gzip, gives a last BadLine. Raises FileNotFoundError.
    """
    return (found for _, found in _numbered(path))


def opened(path: Path) -> BinaryIO:
    """The file's bytes, decompressed where its name ends in `.gz`. Raises OSError."""
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


def _numbered(path: Path) -> Iterator[tuple[int, Conversation | BadLine]]:
    decoder = msgspec.json.Decoder(Conversation)
    number = 0
    with opened(path) as file:
        while True:
            number += 1
            try:
                line = file.readline(MAX_LINE + 1)
            except (EOFError, OSError, zlib.error) as error:
                yield number, BadLine(number, f"cannot be decompressed: {type(error).__name__}")
                return
            if not line:
                return
            if len(line) > MAX_LINE:
                yield number, BadLine(number, f"longer than {MAX_LINE} bytes")
                return
            if line.strip():
                yield number, _read(decoder, line, number)


def _read(decoder: msgspec.json.Decoder[Conversation], line: bytes, number: int) -> Conversation | BadLine:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError as error:
        # An unknown role is repeated in the message: what stands between quotes is somebody's content.
        return BadLine(number, _QUOTED.sub("'...'", str(error)))
    except UnicodeDecodeError:
        return BadLine(number, "not UTF-8")
    except RecursionError:
        return BadLine(number, "nested too deeply")


def load(path: Path) -> Corpus:
    """The whole file in memory; conversation ids that come twice are bad lines. Raises Invalid where nothing could be read."""
    found: dict[str, Conversation] = {}
    bad = []
    for number, one in _numbered(path):
        if isinstance(one, BadLine):
            bad.append(one)
        elif one.conversation in found:
            bad.append(BadLine(number, "conversation: the id of an earlier line"))
        else:
            found[one.conversation] = one
    if not found:
        first = f"; line {bad[0].line}: {bad[0].reason}" if bad else ""
        raise Invalid(f"{path.name}: holds no conversation{first}")
    return Corpus(tuple(found.values()), tuple(bad))


def to_events(conversation: Conversation, *, assurance: Assurance = Assurance.SELF_DECLARED) -> list[Message]:
    """The messages as events, in order. `assurance` is how the roles a corpus gives are said to be known: declared, by default.

    An author of role `minor` is given the band 13 to 15, the one most conversations of this kind concern. Where `to` is absent, a
    conversation of two addresses the other, a larger one those present.
    """
    authors = list(dict.fromkeys(line.author for line in conversation.messages))
    roles = {line.author: line.role for line in conversation.messages if line.role is not Role.UNKNOWN}
    parties = {author: _party(author, roles.get(author, Role.UNKNOWN), assurance) for author in authors}
    channel = Channel(id=conversation.conversation, kind=ChannelKind.DIRECT if len(authors) <= 2 else ChannelKind.GROUP)
    events = []
    days, before = 0, 0.0
    for nth, line in enumerate(conversation.messages):
        if line.at < before - 43_200:  # half a day back: the clock passed midnight
            days += 1
        before = line.at
        events.append(
            Message(
                id=f"{conversation.conversation}:{nth}",
                at=DAY_ONE + timedelta(days=days, seconds=line.at),
                actor=parties[line.author],
                targets=tuple(parties.get(name) or Party(account=name) for name in _addressed(conversation, nth, authors)),
                channel=channel,
                text=line.text,
            )
        )
    return events


def _party(account: str, role: Role, assurance: Assurance) -> Party:
    if role is Role.UNKNOWN:
        return Party(account=account)
    return Party(account=account, age_band=AgeBand.ADULT if role is Role.ADULT else AgeBand.A13_15, assurance=assurance)


def _addressed(conversation: Conversation, nth: int, authors: list[str]) -> list[str]:
    line = conversation.messages[nth]
    if line.to is not None:
        named = [line.to] if isinstance(line.to, str) else list(line.to)
    elif len(authors) <= 2:
        named = authors
    else:
        named = [earlier.author for earlier in conversation.messages[max(0, nth - PRESENT) : nth]]
    return [name for name in dict.fromkeys(named) if name != line.author][:MAX_TARGETS]
