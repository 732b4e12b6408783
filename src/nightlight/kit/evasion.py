"""How people hide what they write, as changes made to whole conversations: what a detector should see through.

Each change is made to every line of a conversation, whoever wrote it, by chance alone: the same seed gives the same conversation. The
disguises are the ordinary ones of any chat (leetspeak, letters apart, letters of other scripts); none is a code for anything.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.event import MAX_TEXT
from nightlight.kit.corpus import Conversation, Line

Rewrite = Callable[[str, Random], str]

OFTEN = 0.5
"""The share of the letters, or words, that a change touches: more and people no longer read it, less and it hides little."""
PADDING = 10
"""Harmless lines for each line."""

LEET: Mapping[str, str] = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "l": "1"}
HOMOGLYPHS: Mapping[str, str] = {
    "a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "j": "\u0458", "o": "\u043e", "p": "\u0440", "s": "\u0455", "x": "\u0445",
    "y": "\u0443",
}  # fmt: skip
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
"""Zero-width spaces and joiners, and the soft hyphen."""
EMOJI_LETTERS: Mapping[str, str] = {"o": "\u2b55", "x": "\u274c", "i": "\u2757", "a": "\U0001f170\ufe0f", "b": "\U0001f171\ufe0f"}
EMOJI_WORDS: Mapping[str, str] = {
    "pic": "\U0001f4f8", "pics": "\U0001f4f8", "picture": "\U0001f4f8", "photo": "\U0001f4f7", "phone": "\U0001f4f1",
    "money": "\U0001f4b0", "home": "\U0001f3e0", "house": "\U0001f3e0", "gift": "\U0001f381", "school": "\U0001f3eb", "car": "\U0001f697",
    "secret": "\U0001f92b", "foto": "\U0001f4f8", "fotos": "\U0001f4f8", "m\u00f3vil": "\U0001f4f1", "dinero": "\U0001f4b0",
    "casa": "\U0001f3e0", "regalo": "\U0001f381", "coche": "\U0001f697", "secreto": "\U0001f92b",
}  # fmt: skip
"""Things by the picture of the thing."""


def leetspeak(text: str, chance: Random) -> str:
    """Letters as the digits and signs that look like them: "s3cr3t"."""
    return "".join(chance.choice(LEET[c.lower()]) if c.lower() in LEET and chance.random() < OFTEN else c for c in text)


def spacing(text: str, chance: Random) -> str:
    """Every other word letter by letter: "s e c r e t"."""
    return _words(text, chance, lambda word: " ".join(word) if len(word) > 2 else word)


def homoglyphs(text: str, chance: Random) -> str:
    """Cyrillic letters that look like Latin ones."""
    return "".join(HOMOGLYPHS[c] if c in HOMOGLYPHS and chance.random() < OFTEN else c for c in text)


def zero_width(text: str, chance: Random) -> str:
    """Characters that nobody sees between the letters."""
    return "".join(c + chance.choice(UNSEEN) if c.isalpha() and chance.random() < OFTEN else c for c in text)


def repeats(text: str, chance: Random) -> str:
    """Letters drawn out: "seeeecret"."""

    def drawn(word: str) -> str:
        at = chance.randrange(len(word))
        return word[:at] + word[at] * chance.randint(3, 6) + word[at + 1 :] if word[at].isalpha() else word

    return _words(text, chance, drawn)


def emoji(text: str, chance: Random) -> str:
    """Words and letters as emoji."""

    def pictured(word: str) -> str:
        bare = word.strip(string.punctuation).lower()
        if bare in EMOJI_WORDS:
            return word.lower().replace(bare, EMOJI_WORDS[bare])
        return "".join(EMOJI_LETTERS.get(c.lower(), c) if 0 < n < len(word) - 1 else c for n, c in enumerate(word))

    return _words(text, chance, pictured)


REWRITES: Mapping[str, Rewrite] = {
    "leetspeak": leetspeak,
    "letter spacing": spacing,
    "homoglyphs": homoglyphs,
    "zero-width characters": zero_width,
    "repeated letters": repeats,
    "emoji": emoji,
}
"""Changes of one text that leave the lines as they are."""


def rewritten(talk: Conversation, rewrite: Rewrite, seed: int) -> Conversation:
    chance = _chance(talk, seed)
    return replace(talk, messages=tuple(replace(line, text=_fitting(rewrite(line.text, chance), line.text)) for line in talk.messages))


def split(talk: Conversation, seed: int) -> Conversation:
    """Each line of two words or more in two or three messages, cut between words or within one."""
    chance = _chance(talk, seed)
    out = []
    for line in talk.messages:
        for n, part in enumerate(_parts(line.text, chance)):
            out.append(replace(line, text=part, at=line.at + 0.1 * n))
    return replace(talk, messages=tuple(out))


def padded(talk: Conversation, seed: int, chat: Sequence[str], times: int = PADDING) -> Conversation:
    """Harmless lines of `chat` before each line, from all who take part."""
    chance = _chance(talk, seed)
    authors = {line.author: line for line in talk.messages}
    out: list[Line] = []
    for line in talk.messages:
        for _ in range(times):
            like = authors[chance.choice(list(authors))]
            out.append(replace(like, at=line.at, text=chance.choice(chat), marked=False))
        out.append(line)
    return replace(talk, messages=tuple(out))


def duplicated(talk: Conversation, seed: int) -> Conversation:
    """Every line sent two or three times."""
    chance = _chance(talk, seed)
    return replace(talk, messages=tuple(line for line in talk.messages for _ in range(chance.randint(2, 3))))


def switched(
    talk: Conversation, seed: int, cues_of: Callable[[str], Sequence[str]], lines: Mapping[str, Sequence[str]], after: float = 0.5
) -> Conversation:
    """From `after` of the lines on, each that shows a cue is another language's line of the same cue; the others stay.

    `cues_of`: the cues of a text, the plainest first. `lines`: the other language's lines of each cue. A conversation in which nothing
    could be switched comes back as it is.
    """
    chance = _chance(talk, seed)
    first = int(len(talk.messages) * after)
    out = []
    for n, line in enumerate(talk.messages):
        named = next((cue for cue in cues_of(line.text) if lines.get(cue)), None) if n >= first else None
        out.append(line if named is None else replace(line, text=chance.choice(lines[named])))
    return replace(talk, messages=tuple(out))


class Compared(Struct, frozen=True, kw_only=True):
    """One change beside the plain conversations that it was made to."""

    change: str
    risk: int
    """Conversations that hold risk; `benign`: those that do not."""
    benign: int
    recall_plain: float | None
    recall: float | None
    drop_points: float | None
    """How many percentage points of recall the change takes."""
    alarms_plain: int
    """Benign conversations that alarm; `alarms`: those after the change."""
    alarms: int


def compared(change: str, plain: Sequence[tuple[bool, bool]], changed: Sequence[tuple[bool, bool]]) -> Compared:
    """Of the same conversations in the same order: whether each holds risk, and whether it alarmed."""
    risk = sum(positive for positive, _ in plain)
    before, after = (sum(alarm for positive, alarm in side if positive) for side in (plain, changed))
    return Compared(
        change=change,
        risk=risk,
        benign=len(plain) - risk,
        recall_plain=before / risk if risk else None,
        recall=after / risk if risk else None,
        drop_points=100 * (before - after) / risk if risk else None,
        alarms_plain=sum(alarm for positive, alarm in plain if not positive),
        alarms=sum(alarm for positive, alarm in changed if not positive),
    )


def _chance(talk: Conversation, seed: int) -> Random:
    return Random(f"{seed}/{talk.source}/{talk.conversation}")


def _words(text: str, chance: Random, change: Callable[[str], str]) -> str:
    return " ".join(change(word) if word and chance.random() < OFTEN else word for word in text.split(" "))


def _fitting(text: str, original: str) -> str:
    """The text, or the original where the change made it longer than a message may be."""
    return text if len(text) <= MAX_TEXT else original


def _parts(text: str, chance: Random) -> list[str]:
    words = text.split()
    if len(words) < 2:
        return [text]
    cuts = sorted(chance.sample(range(1, len(words)), min(len(words) - 1, chance.randint(1, 2))))
    parts = [" ".join(words[a:b]) for a, b in zip([0, *cuts], [*cuts, len(words)], strict=True)]
    for n in range(len(parts) - 1):
        last = parts[n].split(" ")[-1]
        if len(last) > 3 and chance.random() < OFTEN:
            at = chance.randint(2, len(last) - 2)
            parts[n], parts[n + 1] = parts[n][: len(parts[n]) - len(last) + at], f"{last[at:]} {parts[n + 1]}"
    return parts
