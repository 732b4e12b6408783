"""The words behind message keys: what a service shows a child, or somebody else, when an answer names a message."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class ChoiceKind(StrEnum):
    """What the service does when a choice is touched. None of them tells anybody by itself."""

    ADULT = "adult"
    """Let them choose an adult to talk to, and help them begin; the service contacts that adult only if they say so."""
    HELPLINE = "helpline"
    """Show the helplines that came with the answer. Leave it out where none did."""
    KEEP = "keep"
    """Show how to keep the messages, and where they are kept."""
    REPORT = "report"
    """Open the report form; send nothing yet."""
    BLOCK = "block"
    """Block the other account, which is not told."""
    LEARN = "learn"
    """Open the service's own page on the subject."""
    LATER = "later"
    """Close it, and offer it again where they can find it."""
    STOP = "stop"
    """Do not do what was about to happen. What was chosen stays as it was; nobody is told."""
    GO_ON = "go_on"
    """Do it after all. Nobody is told that they were asked."""


class Choice(Struct, frozen=True):
    kind: ChoiceKind
    label: str


class Words(Struct, frozen=True, kw_only=True):
    """One message in one language."""

    title: str
    body: str
    choices: tuple[Choice, ...]
    """In the order in which they are offered."""
    leave: str
    """Label of the quick exit."""


Catalogue = Mapping[str, Mapping[str, Words]]
"""By language (BCP 47 primary tag), then by message key. Every language has every key."""
