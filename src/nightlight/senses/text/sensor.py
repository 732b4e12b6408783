"""`TextSensor`: a batch of texts to their cues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from nightlight.core.event import EventBase
from nightlight.core.features import Cue, Features, Sense, SenseInput, TextFeatures
from nightlight.senses.text.fold import Token, fold, origins, tokens, words
from nightlight.senses.text.heads import Heads, default_heads
from nightlight.senses.text.known import known_words
from nightlight.senses.text.language import guess
from nightlight.senses.text.learned import cues_of, segments, strongest
from nightlight.senses.text.lexicon import Found, Lexicon
from nightlight.senses.text.meaning import Meaning, Vector, default_meaning
from nightlight.senses.text.payment import with_means
from nightlight.senses.text.phrases import SHORT
from nightlight.senses.text.sexual import WordList, cue_of, published
from nightlight.senses.text.unmask import MASKED, SHORTEST_RUN, SPEAKS, Unmasker

TAIL = 64
"""Characters of an author's folded words carried from message to message; a limit of the store, which keeps them sealed."""

SHORT_QUESTION = 3
"""Words of the longest message that is read as a bare question."""

CONTINUES, CONTINUED = 6, 8
"""Words of the longest message that may carry on an earlier one, and how many of the earlier words it is read with."""

MOST_ENCODED = 4
"""Pieces of one long message that the encoder reads: those that come nearest to a cue by their cheap features."""

_CUES = tuple(Path(__file__).with_name(name) for name in ("cues.toml", "cues_es.toml"))


@cache
def default_lexicon() -> Lexicon:
    """The cues that ship. Built on first use, so that importing this module stays cheap."""
    return Lexicon.load(*_CUES)


@cache
def default_unmasker() -> Unmasker:
    """Over every word that ships. Built for the first text that looks disguised."""
    lexicon = default_lexicon()
    return Unmasker(lexicon.vocabulary, known_words(), lexicon.first_words)


class TextSensor:
    """The core `Sensor` for text. Pure: one instance serves all threads."""

    sense = Sense.TEXT
    costly = False

    def __init__(self, lexicon: Lexicon | None = None, heads: Heads | None = None, sexual: Sequence[WordList] | None = None) -> None:
        """What ships, by default; a lexicon of one's own is read alone unless heads or lists of words are given with it."""
        self._sexual = tuple(sexual) if sexual is not None else () if lexicon is not None else (published(),)
        self._lexicon = lexicon if lexicon is not None else default_lexicon()
        self._heads = heads if heads is not None or lexicon is not None else default_heads()
        # A lexicon of one's own is unmasked by its own words.
        self._own_unmask = Unmasker(self._lexicon.vocabulary, first=self._lexicon.first_words) if lexicon is not None else None

    @property
    def _unmask(self) -> Unmasker:
        return self._own_unmask or default_unmasker()

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
        masked = MASKED.search(folded) is not None or _has_letter_run(joined)
        plain: list[Token] | None = None
        if masked:
            plain = self._unmask.tokens(folded)
            self._read_masked(reading, earlier, joined, plain)
        learned, hint = self._learned(self._heads, text, folded, here, plain) if self._heads is not None and here else ([], 0.0)
        if self._heads is not None and earlier and 0 < len(here) <= CONTINUES:
            learned += self._continued(self._heads, earlier, here, learned)
        sexual = cue_of(self._sexual, text, folded, here, masked) if self._sexual else None
        said = [*reading.cues(), *([sexual] if sexual is not None else [])]
        return TextFeatures(
            cues=with_means(strongest([*said, *learned]), text, folded),
            language=guess(folded, here),
            words=len(here),
            questions=folded.count("?"),
            hint=hint,
            tail=_tail(joined),
        )

    def _learned(self, heads: Heads, text: str, folded: str, here: list[str], plain: list[Token] | None = None) -> tuple[list[Cue], float]:
        """What the cheap heads see, and how near the nearest comes. `plain`: see `_undone`."""
        meaning, out, hint = default_meaning(), list[Cue](), 0.0
        factors: dict[str, float] | None = None
        for piece in pieces(text, folded, here, lambda: self._unmask, plain):
            logits = heads.light_logits(piece.words, meaning.static(meaning.tokens_of(piece.words)))
            hint = max(hint, heads.hint(logits))
            strengths = heads.light(logits)
            if strengths.any():
                factors = self._lexicon.factors(here) if factors is None else factors
                out.extend(cues_of(heads.names, strengths, piece.span, factors))
        return out, hint

    def _continued(self, heads: Heads, earlier: list[str], here: list[str], alone: Sequence[Cue]) -> list[Cue]:
        """Cues of a line that was sent in parts: what the end of the earlier words and these show together, and neither shows alone."""
        before = earlier[-CONTINUED:]
        whole = [*before, *here]
        glued = before[-1] + here[0]
        unmask = self._unmask
        if unmask.knows(glued) and not (unmask.knows(before[-1]) and unmask.knows(here[0])):
            whole = [*before[:-1], glued, *here[1:]]
        together = heads.light(self._logits(heads, whole))
        if not together.any():
            return []
        known = {cue.name: cue.strength for cue in alone}
        already = heads.light(self._logits(heads, before))
        for k in together.nonzero()[0].tolist():
            if together[k] <= max(float(already[k]), known.get(heads.names[k], 0.0)):
                together[k] = 0.0
        return cues_of(heads.names, together, (0, 0), self._lexicon.factors(whole))

    def _logits(self, heads: Heads, found: list[str]) -> Vector:
        meaning = default_meaning()
        return heads.light_logits(found, meaning.static(meaning.tokens_of(found)))

    def _read_masked(self, reading: _Reading, earlier: list[str], joined: list[str], plain: list[Token]) -> None:
        """Search again with disguised words replaced, where that changes anything. Earlier words have the place (-1, -1)."""
        unmask = self._unmask
        before = [Token(unmask.word(word) or word, -1, -1) for word in earlier]
        found = _undone(unmask, reading.folded, joined, before, plain)
        unmasked = [token.word for token in found]
        if unmasked != joined:
            boundary = next((i for i, token in enumerate(found) if token.end >= 0), len(found))
            reading.add(self._lexicon.find(unmasked, boundary), found)


class MeaningSensor:
    """The encoder's sense, for events that a detector wants it on. It only ever adds cues or makes them stronger."""

    sense = Sense.MEANING
    costly = True

    def __init__(self, meaning: Meaning | None = None, heads: Heads | None = None) -> None:
        self._meaning = meaning
        self._heads = heads if heads is not None else default_heads()
        self._lexicon = default_lexicon()

    def applies(self, event: EventBase) -> bool:
        return bool(event.content) and self._heads is not None

    def batch(self, inputs: Sequence[SenseInput]) -> list[Features]:
        return [
            replace(given.features, text=self.read(given.event.content, given.features.text)) if given.features.text else given.features
            for given in inputs
        ]

    def read(self, text: str, known: TextFeatures) -> TextFeatures:
        """`known`: what the first pass found, which this adds to."""
        folded = fold(text)
        here = words(folded)
        if self._heads is None or not here:
            return known
        meaning = self._meaning or default_meaning()
        heads = self._heads
        read = [
            (heads.light_logits(one.words, meaning.static(meaning.tokens_of(one.words))), one)
            for one in pieces(text, folded, here, default_unmasker)
        ]
        if len(read) > MOST_ENCODED:
            read = sorted(read, key=lambda one: -heads.hint(one[0]))[:MOST_ENCODED]
        factors = self._lexicon.factors(here)
        out = list(known.cues)
        for light, piece in read:
            vector = meaning.encode(meaning.tokens(piece.text))
            strengths = heads.deep(heads.deep_logits(light, vector))
            out.extend(cues_of(heads.names, strengths, piece.span, factors))
        return replace(known, cues=with_means(strongest(out), text, folded))


class Piece(Struct, frozen=True):
    """A short message, or a part of a long one."""

    words: list[str]
    """Folded, and disguised ones undone."""
    text: str
    """As written, but where it was disguised: what the encoder reads."""
    span: tuple[int, int]
    """Characters of the original text."""


def pieces(text: str, folded: str, here: list[str], unmask: Callable[[], Unmasker], plain: list[Token] | None = None) -> list[Piece]:
    """In order; at least one where there is a word. `plain`: see `_undone`."""
    found = tokens(folded)
    if MASKED.search(folded) is not None or _has_letter_run(here):
        undone = _undone(unmask(), folded, here, (), plain)
        if [token.word for token in undone] != here:
            places = origins(text)
            return [
                Piece(
                    [token.word for token in undone[start:end]],
                    " ".join(token.word for token in undone[start:end]),
                    (places[undone[start].start], places[undone[end - 1].end - 1] + 1),
                )
                for start, end in segments(undone, folded)
            ]
    cut = segments(found, folded)
    if len(cut) == 1:
        return [Piece(here, text, (0, len(text)))]
    places = origins(text)
    spans = [(places[found[start].start], places[found[end - 1].end - 1] + 1) for start, end in cut]
    return [Piece(here[start:end], text[span[0] : span[1]], span) for (start, end), span in zip(cut, spans, strict=True)]


def _undone(
    unmask: Unmasker, folded: str, here: list[str], before: Sequence[Token] = (), plain: Sequence[Token] | None = None
) -> list[Token]:
    """The words of a text with every disguise undone, after those of earlier messages. `plain`: `unmask.tokens(folded)`, if at hand."""
    found = unmask.join_letters([*before, *(plain if plain is not None else unmask.tokens(folded))])
    if not SPEAKS.search(folded):
        return found
    # Things are named, and numbers read, in the language of the words about them.
    spanish = guess("", [token.word for token in found]) == "es"
    return unmask.join_letters([*before, *unmask.tokens(folded, spanish=True)]) if spanish else found


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
    """Words of one letter in a row, as many as may be one word."""
    run = 0
    for word in found:
        run = run + 1 if len(word) == 1 else 0
        if run == SHORTEST_RUN:
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
