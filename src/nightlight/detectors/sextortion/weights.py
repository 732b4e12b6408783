"""What each cue is worth for sextortion. Where the numbers come from, and what they reach, stands in this folder's README. A
threat to expose with a demand for money is enough on its own, because extortion may take minutes (Meta 2022; Crisp 2023)."""

from __future__ import annotations

from collections.abc import Mapping

from nightlight.core.harm import Stage
from nightlight.detectors._conversation import Weight

WEIGHTS: Mapping[str, Weight] = {
    "app_migration": Weight(Stage.ISOLATION, 0.16),
    "compliance_test": Weight(Stage.TESTING, 0.08),
    "picture_ask": Weight(Stage.SOLICITATION, 0.26),
    "video_call_ask": Weight(Stage.SOLICITATION, 0.15),
    "threat_to_expose": Weight(Stage.COERCION, 0.99),
    "payment_demand": Weight(Stage.COERCION, 0.61),
    "ruin_framing": Weight(Stage.COERCION, 0.46),
    "countdown": Weight(Stage.COERCION, 0.34),
    # Learned cues without a phrase of their own.
    "boundary_testing": Weight(Stage.TESTING, 0.09),
    "sexual_language": Weight(Stage.TESTING, 0.07),
    "self_protection": Weight(Stage.ISOLATION, 0.48),
    "contact_exchange": Weight(Stage.ISOLATION, 0.07),
    "fast_intimacy": Weight(Stage.TRUST, 0.22),
    "bait_picture": Weight(Stage.SOLICITATION, 0.28),
    "repeat_demand": Weight(Stage.COERCION, 0.47),
    "refusal_blocking": Weight(Stage.COERCION, 0.42),
    # Found by the fold, not by the text sense.
    "persists": Weight(Stage.TESTING, 0.18),
    "reported_asked_for_pictures": Weight(Stage.SOLICITATION, 0.25),
    "reported_threatened": Weight(Stage.COERCION, 0.60),
}
