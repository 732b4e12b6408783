"""`TextSensor`: a batch of texts to their cues."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from nightlight.core.event import EventBase
from nightlight.core.features import Cue, Features, Sense, SenseInput, TextFeatures
from nightlight.senses.text.fold import Token, fold, origins, tokens, words
from nightlight.senses.text.lexicon import Found, Lexicon
from nightlight.senses.text.phrases import SHORT
from nightlight.senses.text.unmask import MASKED, Unmasker

TAIL = 64
"""Characters of an author's folded words carried from message to message; a limit of the store, which keeps them sealed."""

SHORT_QUESTION = 3
"""Words of the longest message that is read as a bare question."""

_CUES = Path(__file__).with_name("cues.toml")

# The commonest English function words: a quarter of the words of ordinary English, and few of any other language's.
_ENGLISH = frozenset(["a", "the", "to", "and", "is", "it", "of", "in", "i", "you", "that", "for", "on", "my", "have", "do", "not", "are"])


@cache
def default_lexicon() -> Lexicon:
    """The cues that ship. Built on first use, so that importing this module stays cheap."""
    return Lexicon.load(_CUES)


class TextSensor:
    """The core `Sensor` for text. Pure: one instance serves all threads."""

    sense = Sense.TEXT
    costly = False

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon if lexicon is not None else default_lexicon()
        self._unmask = Unmasker(self._lexicon.vocabulary)

    def applies(self, event: EventBase) -> bool:
        return bool(event.content)

    def batch(self, inputs: Sequence[SenseInput]) -> list[Features]:
        """Fills in `Features.text`. An author's later events in the batch see the tail of the earlier ones, not the one given."""
        tails: dict[tuple[str, str], str] = {}
        out = []
        for given in inputs:
            author = (given.event.conversation, given.event.actor.account)
            features = self.read(given.event.content, tails.get(author, given.tail))
            tails[author] = features.tail
            out.append(replace(given.features, text=features))
        return out

    def read(self, text: str, tail: str = "") -> TextFeatures:
        """What one text shows, after an author's earlier words `tail` (folded, separated by spaces)."""
        folded = fold(text)
        earlier = tail.split()
        here = words(folded)
        reading = _Reading(text, folded, len(earlier))
        joined = earlier + here
        reading.add(self._lexicon.find(joined, len(earlier)), None)
        if earlier and here and earlier[-1] + here[0] in self._lexicon.vocabulary:
            # A word cut in two by the end of a message: "pict", "ure".
            glued = [*(Token(word, -1, -1) for word in earlier[:-1]), Token(earlier[-1] + here[0], -1, -1), *tokens(folded)[1:]]
            reading.add(self._lexicon.find([token.word for token in glued], len(earlier) - 1), glued)
        if 0 < len(here) <= SHORT_QUESTION and folded.rstrip().endswith("?"):
            # On its own and asked, one word is a whole question: "age?", "alone?".
            own = [*tokens(folded), Token(SHORT, folded.rindex("?"), folded.rindex("?") + 1)]
            reading.add(self._lexicon.find([token.word for token in own]), own)
        if MASKED.search(folded) is not None or _has_letter_run(joined):
            self._read_masked(reading, earlier, joined)
        return TextFeatures(
            cues=reading.cues(),
            language="en" if len(here) > 2 and 4 * sum(w in _ENGLISH for w in here) >= len(here) else "und",
            words=len(here),
            questions=folded.count("?"),
            tail=_tail(joined),
        )

    def _read_masked(self, reading: _Reading, earlier: list[str], joined: list[str]) -> None:
        """Search again with disguised words replaced, where that changes anything. Earlier words have the place (-1, -1)."""
        before = [Token(self._unmask.word(word) or word, -1, -1) for word in earlier]
        found = self._unmask.join_letters([*before, *self._unmask.tokens(reading.folded)])
        unmasked = [token.word for token in found]
        if unmasked != joined:
            boundary = next((i for i, token in enumerate(found) if token.end >= 0), len(found))
            reading.add(self._lexicon.find(unmasked, boundary), found)


class _Reading:
    """Collects the cues of one text over its several readings, the strongest of each kept."""

    def __init__(self, text: str, folded: str, boundary: int) -> None:
        self.text = text
        self.folded = folded
        self.boundary = boundary
        self._best: dict[str, tuple[float, tuple[int, int], Found]] = {}
        self._tokens: list[Token] | None = None
        self._origins: list[int] | None = None

    def add(self, found: list[Found], places: list[Token] | None) -> None:
        """`places`: where each word stands in the folded text; None where the words are the text's own after the earlier ones."""
        for one in found:
            held = self._best.get(one.entry.name)
            if held is None or one.strength > held[0]:
                self._best[one.entry.name] = (one.strength, self._span(one, places), one)

    def cues(self) -> tuple[Cue, ...]:
        found = [Cue(name, strength, span, one.entry.reason) for name, (strength, span, one) in self._best.items()]
        return tuple(sorted(found, key=lambda cue: (cue.span, cue.name)))

    def _span(self, one: Found, places: list[Token] | None) -> tuple[int, int]:
        """Characters of the original text; (0, 0) where it began in an earlier message."""
        if places is None:
            if one.start < self.boundary:
                return (0, 0)
            if self._tokens is None:
                self._tokens = tokens(self.folded)
            first, last = self._tokens[one.start - self.boundary], self._tokens[one.end - 1 - self.boundary]
        else:
            first, last = places[one.start], places[one.end - 1]
            if first.start < 0:
                return (0, 0)
        if self._origins is None:
            self._origins = origins(self.text)
        return (self._origins[first.start], self._origins[last.end - 1] + 1)


def _has_letter_run(found: list[str]) -> bool:
    """Four words of one letter in a row."""
    run = 0
    for word in found:
        run = run + 1 if len(word) == 1 else 0
        if run == 4:
            return True
    return False


def _tail(joined: list[str]) -> str:
    """The last whole words that fit into the tail."""
    kept = 0
    length = -1
    for word in reversed(joined):
        length += len(word) + 1
        if length > TAIL:
            break
        kept += 1
    return " ".join(joined[len(joined) - kept :])
