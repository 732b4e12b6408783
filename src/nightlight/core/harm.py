"""The harms Nightlight knows, the levels of risk, and the stages a conversation may show.

Vocabulary follows the Terminology Guidelines, 2nd edition (2025).
"""

from __future__ import annotations

from enum import Enum, StrEnum


class Harm(StrEnum):
    """What an assessment is about. The order is the order of urgency between equals: the first outranks all."""

    IMMEDIATE_DANGER = "immediate_danger"
    """A child in immediate danger: a threat to life, or self-harm."""
    LIVESTREAMED_ABUSE = "livestreamed_abuse"
    SEXTORTION = "sextortion"
    GROOMING = "grooming"
    IMAGERY_SOLICITATION = "imagery_solicitation"
    """Solicitation of imagery from a child."""
    KNOWN_MATERIAL = "known_material"
    NEW_MATERIAL = "new_material"
    """Suspected new material."""
    GENERATED_MATERIAL = "generated_material"
    """AI-generated material."""
    LINK_EXCHANGE = "link_exchange"
    """Exchange and sale of links."""
    ABUSE_NETWORK = "abuse_network"
    SHARED_ACCESS = "shared_access"
    """Accounts with shared access."""
    GENERATIVE_MISUSE = "generative_misuse"
    """Misuse of generative AI: abuse advice, evidence destruction, generation."""
    LAWFUL_IMAGE_MISUSE = "lawful_image_misuse"
    """Misuse of lawful images of children."""
    SEARCH_INTENT = "search_intent"

    @property
    def urgency(self) -> int:
        """0 is the most urgent."""
        return _URGENCY[self]


_URGENCY = {harm: rank for rank, harm in enumerate(Harm)}


class Level(StrEnum):
    """How much risk an assessment has reached. Compare with `rank`; names never sort by alphabet."""

    NONE = "none"
    LOW = "low"
    ELEVATED = "elevated"
    HIGH = "high"

    @property
    def rank(self) -> int:
        return _RANK[self]


_RANK = {level: rank for rank, level in enumerate(Level)}


class Stage(Enum):
    """Themes of a grooming or extortion conversation. They interleave (Aitken 2018; Black 2015): a set with velocity, not a ladder.

    The value is the name on the wire.
    """

    CONTACT = "contact"
    """Access and probing: age, location, who is around (O'Connell 2003; Black 2015)."""
    TRUST = "trust"
    """Flattery, bonding, gifts, exclusivity (Aitken 2018; Whittle 2013)."""
    ISOLATION = "isolation"
    """Secrecy, setting against family and friends, another app (Olson's LCT; Winters 2020)."""
    TESTING = "testing"
    """Testing compliance and boundaries (Lorenzo-Dus 2016)."""
    SOLICITATION = "solicitation"
    """Asking for pictures or video (Thorn/NCMEC 2024)."""
    MEETING = "meeting"
    """Logistics of meeting in person (Aitken 2018)."""
    COERCION = "coercion"
    """Threatening to expose, demanding payment or more (FBI alerts; Thorn/NCMEC 2024)."""
