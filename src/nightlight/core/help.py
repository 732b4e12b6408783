"""Help for somebody who is threatened: a link that the service makes for them, evidence kept at the first tap, and a report.

Nobody learns of the visit. What stays of it is that the messages of one conversation are kept for a short while, and who asked for that
only as a keyed hash. A person looks only where the one who asked for help tells us to.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from nightlight.core.event import Id, Party, ReportCategory
from nightlight.core.ids import fit_for_id
from nightlight.core.user_report import Received

MOST_REPORT_TEXT = 4000
"""Characters of what somebody writes on the page."""
MOST_TOKEN = 8192
"""Characters of a token: everything it says is in it, sealed."""

Once = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]


class HelpAsk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom the service makes a link, in its own ids."""

    account: Party
    """Who asks for help. Their age chooses the words, their place the helplines."""
    conversation: Id
    about: Annotated[tuple[Party, ...], Meta(max_length=10)] = ()
    """Who may be reported from there with one tap. Empty: whoever asks for help says it."""


class HelpLink(Struct, frozen=True, kw_only=True):
    token: str
    """For the form field `link` of a POST to `path`, or behind `#` of that path. Never in a query, where it would stay in a history."""
    path: str
    expires_at: datetime
    """The first tap has to come before."""


class HelpVisit(Struct, frozen=True, kw_only=True):
    """What a token stands for, once it was opened."""

    account: Party
    conversation: str
    about: tuple[Party, ...]
    opened_at: datetime
    kept_until: datetime
    """Until when the messages of the conversation are kept."""
    kept: bool
    """Whether there are any that we hold. False: nothing of that conversation ever came to us."""


class HelpReport(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody tells us on the page."""

    once: Once
    """A random name of the submission: sent again, it changes nothing."""
    category: ReportCategory = ReportCategory.THREATENED
    text: Annotated[str, Meta(max_length=MOST_REPORT_TEXT)] = ""
    name: Annotated[str, Meta(max_length=200)] = ""
    """What the other is called in the service, where the token does not say whom it is about."""


def check_ask(ask: HelpAsk) -> HelpAsk:
    """Raises Invalid naming the field."""
    fit_for_id(ask.account.account, "account.account")
    for place, party in enumerate(ask.about):
        fit_for_id(party.account, f"about[{place}].account")
    if ask.conversation is not None:
        fit_for_id(ask.conversation, "conversation")
    return ask


class HelpService(Protocol):
    def link(self, ask: HelpAsk) -> HelpLink:
        """Raises Invalid naming the field."""
        ...

    def opened(self, token: str) -> HelpVisit:
        """The first time, this keeps the latest messages of the conversation; after that it changes nothing. Raises NotFound for a token
        that is over, forged or damaged: all the same to whoever asks."""
        ...

    def report(self, token: str | None, report: HelpReport) -> Received:
        """A report about those whom the token names, or by name; without a token it is anonymous. Opens a case for a person to look at.
        Raises Invalid naming the field, NotFound for a token that is over, Conflict, or Busy."""
        ...
