"""Sextortion, over the shared fold of conversations: a threat or a demand, and what led to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nightlight.core.detect import load_card
from nightlight.core.event import Party
from nightlight.core.features import Features
from nightlight.core.harm import Harm, Stage
from nightlight.detectors._conversation import Circumstance, ConversationFold, Side, Talk, Weight

from .weights import WEIGHTS

DAY = 86_400.0
SHARED_BEFORE = 1.25
"""What a picture shared within the last day multiplies: a media event soon followed by a demand (Thorn/NCMEC 2024). Chosen."""


COERCIVE = frozenset(name for name, weight in WEIGHTS.items() if weight.stage is Stage.COERCION)
PLAIN = 0.4
"""Strength of a threat or a demand from which everything else counts in full: a likeness alone is none. Chosen."""


class Sextortion(ConversationFold):
    card = load_card(Path(__file__).parent)
    harm = Harm.SEXTORTION
    weights: Mapping[str, Weight] = WEIGHTS
    fan_out = 0.04

    def total(self, side: Side, at: float) -> float:
        # Asking for a picture is no extortion: without a threat or a demand there is nothing to say.
        coercive = (h.strength for name, h in side.cues.items() if name in COERCIVE)
        return self.summed(side) * min(1.0, max(coercive, default=0.0) / PLAIN)

    def around(self, features: Features, actor: Party, people: Sequence[Party], talk: Talk, at: float) -> list[Circumstance]:
        found = super().around(features, actor, people, talk, at)
        if talk.media and at - talk.media <= DAY:
            found.append(Circumstance("media_before", SHARED_BEFORE, "a picture or video was shared within the last day"))
        return found
