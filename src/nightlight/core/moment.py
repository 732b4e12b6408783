"""Moments at which a few words help: what is about to happen, who reads, and the words for both."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from nightlight.core.catalogue import ChoiceKind, Words
from nightlight.core.decision import SAFE, Display
from nightlight.core.event import AgeBand


class Situation(StrEnum):
    """What is about to happen, or has just come. The app tells, or Nightlight found it in what came."""

    SENDING_PICTURE = "sending_picture"
    PICTURE_RECEIVED = "picture_received"
    ASKED_TO_MOVE_APPS = "asked_to_move_apps"
    ASKED_FOR_SECRECY = "asked_for_secrecy"
    SHARING_LOCATION = "sharing_location"
    NEW_ADULT_CONTACT = "new_adult_contact"
    GIFT_FROM_STRANGER = "gift_from_stranger"
    PAYMENT_DEMAND = "payment_demand"
    THREAT = "threat"

    @property
    def key(self) -> str:
        """Under which a rule may name it in place of a message."""
        return f"moment.{self.value}"


class Audience(StrEnum):
    """For whom words are written, by years of age."""

    CHILD = "7-10"
    MIDDLE = "11-13"
    TEEN = "14-17"
    ADULT = "adult"


READERS: Mapping[AgeBand, Audience] = {
    AgeBand.A0_6: Audience.CHILD,
    AgeBand.A7_9: Audience.CHILD,
    AgeBand.A10_12: Audience.CHILD,
    AgeBand.A13_15: Audience.MIDDLE,
    AgeBand.A16_17: Audience.TEEN,
    AgeBand.ADULT: Audience.ADULT,
    AgeBand.UNKNOWN: Audience.MIDDLE,
}
"""The words that the youngest of a band can read; an unknown age is treated as a child's."""


class Unmet(StrEnum):
    """What waits while a condition of `show` is not met."""

    MESSAGE = "message"
    """The message: it is kept and shown later."""
    ACT = "act"
    """What was about to happen: nothing leaves, and nothing is uncovered, before the message could be shown."""


class Moment(Struct, frozen=True, kw_only=True):
    """One situation: how its words may be shown, and the words for each reader."""

    choices: tuple[ChoiceKind, ...]
    """In the order in which they are offered, in every language."""
    waits: Unmet
    words: Mapping[Audience, Words]
    show: Display = SAFE


Moments = Mapping[str, Mapping[Situation, Moment]]
"""By language (BCP 47 primary tag), then by situation. Every language has every situation for every reader."""
