"""Reads a training folder into rows: one text each, with the cues that it shows.

`lines/<language>/<cue>.jsonl` holds authored lines, one `{"family", "style", "text"}` a line; `benign_<topic>` are hard negatives. A family
is one idea of how to say a thing. `conversations/*.jsonl` are corpora whose messages name their `cues`; `utterances/*.jsonl` are messages
apart from their conversations, one `{"language", "text", "cues"}` a line; `apart/*.jsonl`, written the same, are lines that never were in
one. Training and test are split by family, and those three by author (a file), never by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec
from msgspec import Struct

from nightlight.core.errors import Invalid
from nightlight.kit.corpus import Conversation

BENIGN = "benign_"
SLOTS: Mapping[str, Sequence[str]] = {
    "name": ("sam", "lena", "nico", "vale", "mia", "jordan", "ana"),
    "app": ("snap", "discord", "telegram", "whatsapp", "insta", "kik", "signal"),
    "game": ("roblox", "minecraft", "fortnite", "blockvale", "valorant"),
    "item": ("coins", "skins", "robux", "gems", "vbucks", "gift card", "sword"),
    "place": ("the mall", "the park", "madrid", "leeds", "texas", "the station"),
    "age": ("12", "13", "14", "15", "16", "11"),
    "amount": ("50", "100", "200", "20", "500"),
    "time": ("10 min", "1 hour", "tonight", "5 minutes", "tomorrow"),
    "pet": ("dog", "cat"),
    "school": ("lincoln middle", "st marys", "the high school"),
}
_T = TypeVar("_T")
_SLOT = re.compile(r"\{(\w+)\}")


class Authored(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a file."""

    family: str
    style: str
    text: str


class Utterance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message by itself."""

    language: str
    text: str
    cues: tuple[str, ...] = ()


class Row(Struct, frozen=True):
    """One text to learn from."""

    text: str
    cues: tuple[str, ...]
    language: str
    group: str
    """Rows of one group are never split between training and test."""
    rest: float = 1.0
    """How surely it shows no other cue, 0 to 1: an author of lines for one cue did not look for others in them."""


LINE_REST, BENIGN_REST, CHAT_REST, APART_REST = 0.3, 0.7, 0.3, 0.9
"""`Row.rest` of a line of one cue, of a hard negative, of harmless conversations whose messages name no cue, and of lines whose author
named every cue that they show. Only where it is 1 are cues as rare as in chat."""


def read_rows(folder: Path) -> list[Row]:
    """Every text of a folder, slots filled, the same on each run. Raises Invalid naming file and line, or where there are no lines."""
    return [*read_lines(folder), *_conversations(folder), *_named(folder / "utterances", 1.0), *_named(folder / "apart", APART_REST)]


def read_lines(folder: Path) -> list[Row]:
    """The authored lines alone. Raises Invalid."""
    out = []
    for path in sorted((folder / "lines").glob("*/*.jsonl")):
        language, name = path.parent.name, path.stem
        cues, rest = ((), BENIGN_REST) if name.startswith(BENIGN) else ((name,), LINE_REST)
        for number, line in _decoded(path, Authored):
            out.append(Row(filled(line.text, Random(f"{name}{number}")), cues, language, f"{name}/{line.family}", rest))
    if not out:
        raise Invalid(f"{folder}: holds no lines/<language>/<cue>.jsonl")
    return out


def _conversations(folder: Path) -> Iterator[Row]:
    for path in sorted((folder / "conversations").glob("*.jsonl")):
        for number, talk in _decoded(path, Conversation):
            named = any(message.cues for message in talk.messages)
            for place, message in enumerate(talk.messages):
                if text := filled(message.text, Random(f"{number} {place}")).strip():
                    yield Row(text, message.cues, talk.language or "und", path.stem, 1.0 if named else CHAT_REST)


def _named(folder: Path, rest: float) -> Iterator[Row]:
    for path in sorted(folder.glob("*.jsonl")):
        for _, line in _decoded(path, Utterance):
            yield Row(line.text, line.cues, line.language, path.stem, rest)


def _decoded(path: Path, kind: type[_T]) -> Iterator[tuple[int, _T]]:
    decoder = msgspec.json.Decoder(kind)
    for number, raw in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            yield number, decoder.decode(raw)
        except msgspec.DecodeError as error:
            raise Invalid(f"{path.parent.name}/{path.name}, line {number}: {error}") from None


def filled(text: str, random: Random) -> str:
    """The text with every known slot given a value; an unknown one stands as its name."""
    return _SLOT.sub(lambda match: random.choice(SLOTS.get(match[1], (match[1],))), text)


def folds(rows: Sequence[Row], parts: int = 5) -> list[int]:
    """The part each row belongs to: groups whole, and those of one cue or topic spread over the parts, as authors are."""
    of: dict[str, int] = {}
    seen: dict[str, int] = {}
    for group in sorted({row.group for row in rows}, key=lambda group: (_kind(group), Random(group).random())):
        kind = _kind(group)
        of[group] = seen.get(kind, 0) % parts
        seen[kind] = seen.get(kind, 0) + 1
    return [of[row.group] for row in rows]


def _kind(group: str) -> str:
    return group.rpartition("/")[0]
