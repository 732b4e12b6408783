"""What the cues are, whatever harm they weigh on. What each is worth stands in the table of its detector."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from nightlight.core.event import ReportCategory
from nightlight.core.harm import Stage


class Weight(Struct, frozen=True):
    """What a cue is worth for one harm, and the theme it shows."""

    stage: Stage
    weight: float


INNOCENT = frozenset(
    {
        "age_probe",
        "location_probe",
        "supervision_probe",
        "relationship_probe",
        "flattery",
        "false_trust",
        "exclusivity",
        "gift_offer",
        "app_migration",
        "picture_ask",
        "video_call_ask",
        "meeting_plan",
        "game_currency",
        "contact_exchange",
        "bait_picture",
        "compliance_test",
        "self_protection",
    }
)
"""Ordinary between people who know each other outside the service: counts less among family."""

ASKS = frozenset(
    {
        "location_probe",
        "secrecy",
        "isolation",
        "app_migration",
        "compliance_test",
        "picture_ask",
        "video_call_ask",
        "meeting_plan",
        "threat_to_expose",
        "payment_demand",
        "ruin_framing",
        "countdown",
        "self_protection",
        "contact_exchange",
        "bait_picture",
        "repeat_demand",
        "refusal_blocking",
    }
)
"""What a person may go on asking for after a refusal, or ask while nothing is asked of them."""

CONDUCT = INNOCENT | ASKS | {"boundary_testing", "fast_intimacy", "sexual_language"}
"""Every cue about what one side does to another: a line that shows one is no harmless line, whichever harm it weighs on."""

UNEASE = frozenset({"refusal", "scared", "asks_for_help"})
"""Protective cues: they weigh on whoever goes on asking after them, and take nothing from anybody."""
DECLARES_AGE = "self_declared_age"
PERSISTS = "persists"

REPORTS: Mapping[ReportCategory, tuple[str, str]] = {
    ReportCategory.UNCOMFORTABLE: ("reported_uncomfortable", "was reported for making somebody uncomfortable"),
    ReportCategory.ASKED_FOR_PICTURES: ("reported_asked_for_pictures", "was reported for asking for pictures"),
    ReportCategory.WANTS_TO_MEET: ("reported_wants_to_meet", "was reported for wanting to meet"),
    ReportCategory.THREATENED: ("reported_threatened", "was reported for threatening somebody"),
}
"""The cue and the reason of a report by a user."""
