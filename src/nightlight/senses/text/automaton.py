"""All phrases at once: one automaton over words, built as it is used.

Trying hundreds of regular expressions on each message costs more than the rest of the pipeline. Here each word costs one dictionary
look-up once its surroundings have been met before (the lazy construction of Thompson 1968, as RE2 uses it). Time is linear in the
words whatever the text; memory is bounded by forgetting everything learnt when it grows too large.
"""

from __future__ import annotations

from collections.abc import Sequence

from nightlight.senses.text.phrases import Phrase

_MOST_STEPS = 100_000
"""Learnt steps kept: about 20 MB at worst."""


class Node:
    """A set of places reached in some phrases. `accepts`: phrases that end at the word just read."""

    __slots__ = ("accepts", "places", "steps")

    def __init__(self, places: frozenset[int], accepts: tuple[int, ...]) -> None:
        self.places = places
        self.accepts = accepts
        self.steps: dict[str, Node] = {}


class Automaton:
    """Finds where phrases end in a sequence of symbols. Safe to share between threads: what is learnt is the same for all."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self._symbols: list[frozenset[str] | None] = []
        self._phrase_of_end: dict[int, int] = {}
        self._optional: list[bool] = []
        self._entries: dict[str, set[int]] = {}
        for number, phrase in enumerate(phrases):
            start = len(self._symbols)
            for element in phrase.elements:
                self._symbols.append(element.symbols)
                self._optional.append(element.optional)
            self._phrase_of_end[len(self._symbols)] = number
            self._symbols.append(frozenset())
            self._optional.append(False)
            for symbol in phrase.elements[0].symbols or ():
                self._entries.setdefault(symbol, set()).update(self._reach(start + 1))
        self._nodes: dict[frozenset[int], Node] = {}
        self._learnt = 0
        self.start = self._node(frozenset())

    def step(self, node: Node, symbol: str) -> Node:
        """The node after one more symbol; learnt on first use."""
        known = node.steps.get(symbol)
        if known is not None:
            return known
        places = set(self._entries.get(symbol, ()))
        for place in node.places:
            wanted = self._symbols[place]
            if wanted is None or symbol in wanted:
                places.update(self._reach(place + 1))
        if self._learnt >= _MOST_STEPS:
            # Nodes still held by a search in progress stay valid: they lose only what they had learnt to share.
            self._nodes = {}
            self._learnt = 0
            self.start = self._node(frozenset())
        found = self._node(frozenset(places))
        node.steps[symbol] = found
        self._learnt += 1
        return found

    def _reach(self, place: int) -> list[int]:
        """That place and those behind it that only optional words separate."""
        reached = [place]
        while self._optional[place]:
            place += 1
            reached.append(place)
        return reached

    def _node(self, places: frozenset[int]) -> Node:
        node = self._nodes.get(places)
        if node is None:
            accepts = tuple(sorted(self._phrase_of_end[p] for p in places if p in self._phrase_of_end))
            node = self._nodes[places] = Node(places, accepts)
        return node
