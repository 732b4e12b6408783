"""What each cue is worth for grooming. Where the numbers come from, and what they reach, stands in this folder's README. Several different
cues are worth far more than one strong line, so no cue of grooming alone reaches "elevated".
"""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.harm import Stage
from nightlight.detectors._conversation import Weight

WEIGHTS: Mapping[str, Weight] = {
    "age_probe": Weight(Stage.CONTACT, 0.21),
    "location_probe": Weight(Stage.CONTACT, 0.15),
    "supervision_probe": Weight(Stage.CONTACT, 0.41),
    "relationship_probe": Weight(Stage.CONTACT, 0.21),
    "flattery": Weight(Stage.TRUST, 0.22),
    "false_trust": Weight(Stage.TRUST, 0.20),
    "exclusivity": Weight(Stage.TRUST, 0.22),
    "gift_offer": Weight(Stage.TRUST, 0.18),
    "secrecy": Weight(Stage.ISOLATION, 0.32),
    "isolation": Weight(Stage.ISOLATION, 0.27),
    "app_migration": Weight(Stage.ISOLATION, 0.25),
    "compliance_test": Weight(Stage.TESTING, 0.24),
    "picture_ask": Weight(Stage.SOLICITATION, 0.24),
    "video_call_ask": Weight(Stage.SOLICITATION, 0.12),
    "meeting_plan": Weight(Stage.MEETING, 0.18),
    "threat_to_expose": Weight(Stage.COERCION, 0.26),
    "payment_demand": Weight(Stage.COERCION, 0.02),
    "ruin_framing": Weight(Stage.COERCION, 0.17),
    "countdown": Weight(Stage.COERCION, 0.05),
    # Learned cues without a phrase of their own.
    "boundary_testing": Weight(Stage.TESTING, 0.21),
    "sexual_language": Weight(Stage.TESTING, 0.12),  # by a list of words: nothing alone, something beside other cues
    "self_protection": Weight(Stage.ISOLATION, 0.24),
    "game_currency": Weight(Stage.TRUST, 0.20),
    "contact_exchange": Weight(Stage.ISOLATION, 0.14),
    "fast_intimacy": Weight(Stage.TRUST, 0.18),
    "bait_picture": Weight(Stage.SOLICITATION, 0.21),
    "repeat_demand": Weight(Stage.COERCION, 0.08),
    "refusal_blocking": Weight(Stage.COERCION, 0.13),
    # Found by the fold, not by the text sense.
    "persists": Weight(Stage.TESTING, 0.18),
    "reported_uncomfortable": Weight(Stage.TESTING, 0.35),
    "reported_asked_for_pictures": Weight(Stage.SOLICITATION, 0.60),
    "reported_wants_to_meet": Weight(Stage.MEETING, 0.60),
    "reported_threatened": Weight(Stage.COERCION, 0.40),
}
