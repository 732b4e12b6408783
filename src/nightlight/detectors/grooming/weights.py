"""What each cue is worth. Chosen so that scores fall on the levels' scale, and checked on the folder's examples; not yet measured.

Several different cues are worth far more than one strong line, so no cue of grooming alone reaches "elevated"; a threat to expose
with a demand for money is enough on its own, because extortion may take minutes (Meta 2022; Crisp 2023).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from nightlight.core.event import ReportCategory
from nightlight.core.harm import Stage


class Weight(Struct, frozen=True):
    stage: Stage
    grooming: float
    sextortion: float = 0.0
    innocent: bool = False
    """Ordinary between people who know each other outside the service: counts less among family."""


WEIGHTS: Mapping[str, Weight] = {
    "age_probe": Weight(Stage.CONTACT, 0.30, innocent=True),
    "location_probe": Weight(Stage.CONTACT, 0.35, innocent=True),
    "supervision_probe": Weight(Stage.CONTACT, 0.50, innocent=True),
    "relationship_probe": Weight(Stage.CONTACT, 0.35, innocent=True),
    "flattery": Weight(Stage.TRUST, 0.35, innocent=True),
    "false_trust": Weight(Stage.TRUST, 0.40, innocent=True),
    "exclusivity": Weight(Stage.TRUST, 0.40, innocent=True),
    "gift_offer": Weight(Stage.TRUST, 0.30, innocent=True),
    "secrecy": Weight(Stage.ISOLATION, 0.55),
    "isolation": Weight(Stage.ISOLATION, 0.50),
    "app_migration": Weight(Stage.ISOLATION, 0.30, 0.10, innocent=True),
    "compliance_test": Weight(Stage.TESTING, 0.35, 0.10),
    "picture_ask": Weight(Stage.SOLICITATION, 0.45, 0.25, innocent=True),
    "video_call_ask": Weight(Stage.SOLICITATION, 0.30, 0.15, innocent=True),
    "meeting_plan": Weight(Stage.MEETING, 0.45, innocent=True),
    "threat_to_expose": Weight(Stage.COERCION, 0.60, 1.15),
    "payment_demand": Weight(Stage.COERCION, 0.15, 0.45),
    "ruin_framing": Weight(Stage.COERCION, 0.30, 0.50),
    "countdown": Weight(Stage.COERCION, 0.20, 0.45),
    # Found here, not by the text sense.
    "persists": Weight(Stage.TESTING, 0.40, 0.30),
    "reported_uncomfortable": Weight(Stage.TESTING, 0.35),
    "reported_asked_for_pictures": Weight(Stage.SOLICITATION, 0.60, 0.25),
    "reported_wants_to_meet": Weight(Stage.MEETING, 0.60),
    "reported_threatened": Weight(Stage.COERCION, 0.40, 0.60),
}

REPORTS: Mapping[ReportCategory, tuple[str, str]] = {
    ReportCategory.UNCOMFORTABLE: ("reported_uncomfortable", "was reported for making somebody uncomfortable"),
    ReportCategory.ASKED_FOR_PICTURES: ("reported_asked_for_pictures", "was reported for asking for pictures"),
    ReportCategory.WANTS_TO_MEET: ("reported_wants_to_meet", "was reported for wanting to meet"),
    ReportCategory.THREATENED: ("reported_threatened", "was reported for threatening somebody"),
}

ASKS = frozenset(
    name for name, weight in WEIGHTS.items() if weight.stage in (Stage.SOLICITATION, Stage.MEETING, Stage.ISOLATION, Stage.COERCION)
) | {"location_probe", "compliance_test", "video_call_ask"}
"""What a person may go on asking for after a refusal."""

UNEASE = frozenset({"refusal", "scared", "asks_for_help"})
"""Protective cues: they weigh on whoever goes on asking after them, and take nothing from anybody."""
