"""`Decision`: what to do about an event. Actions are values; the actions room performs them, or simulates them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from nightlight.core.event import Party
from nightlight.core.explanation import Explanation
from nightlight.core.harm import Harm, Level
from nightlight.core.signal import Unread

MessageKey = Annotated[str, Meta(pattern=r"^[a-z0-9_.-]{1,80}$")]
Hours = Annotated[float, Meta(gt=0, le=24)]
"""A machine may limit a person for a day at most; a person lifts or extends."""


class To(StrEnum):
    SENDER = "sender"
    RECIPIENTS = "recipients"
    """All targets."""
    CHILDREN = "children"
    """Those targets that may be minors."""
    PEER = "peer"
    """The account whose conduct a person has confirmed, and only where it is assured to be a minor's: education, never deterrence."""


class Display(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a message may be shown. As it stands, nobody but the account itself can come to see it: whoever harms a child may live with
    them, hold their telephone or watch their screen. While a condition is not met the message waits; it is not dropped."""

    private: bool = True
    """To that account alone. Nobody else is told, parents included: the one who harms the child may be one."""
    outside_conversation: bool = True
    """In a place of its own, never as a line of the chat."""
    lock_screen: bool = False
    """Whether a notification may show it, or that there is one."""
    email: bool = False
    """Whether it may leave the service, by e-mail or text message."""
    screen_sharing: bool = False
    """Whether it may appear while the screen is shared, recorded or streamed."""
    others_present: bool = False
    """Whether it may appear while others may be looking. Only the service can know: a call, a shared device, a game on a television."""
    quick_exit: bool = True
    """One touch takes it away, leads somewhere harmless and leaves no trace of it on the device."""
    choose_adult: bool = True
    """The child may choose an adult to talk to, and is asked which; the service contacts nobody by itself."""


SAFE = Display()


class Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="action"):
    """Base of the actions. `rule` names the rule that asked for it; empty for what the pipeline itself adds."""

    rule: str = ""


class Allow(Act, frozen=True, kw_only=True, tag="allow"):
    pass


class Nudge(Act, frozen=True, kw_only=True, tag="nudge"):
    """Show a message from the catalogue, outside the conversation."""

    to: To
    message: MessageKey
    show: Display = SAFE
    account: str | None = None
    """The one party it is for, filled in by the policy engine where the assessment names whom it protects; rules never set it."""

    def reaches(self, party: Party, *, is_sender: bool) -> bool:
        """Whether it is for that party of the event."""
        if self.account is not None:
            return self.account == party.account
        if is_sender:
            return self.to is To.SENDER
        return self.to is To.RECIPIENTS or (self.to is To.CHILDREN and party.may_be_minor)


class HoldContent(Act, frozen=True, kw_only=True, tag="hold_content"):
    """Do not deliver until a person has looked."""


class BlockContent(Act, frozen=True, kw_only=True, tag="block_content"):
    """Do not deliver."""


class LimitContact(Act, frozen=True, kw_only=True, tag="limit_contact"):
    """The account whose conduct it is about, by default the sender, may not contact minors for some hours.

    Reversible: a person lifts or extends it, and a lead is paged before it lapses unreviewed.
    """

    hours: Hours = 24.0
    account: str | None = None
    """Whose contact, where that is not the sender: an answer of the child may be what moved the risk. Rules never set it."""


class LimitReach(Act, frozen=True, kw_only=True, tag="limit_reach"):
    """For some hours the account whose conduct it is about reaches nobody through the child it endangers.

    It may not look up or write to the child's contacts and followers, nor to other accounts that may be minors'. What it writes to the
    child itself goes on: a cut would tell it that it was noticed. Reversible, as `LimitContact` is.
    """

    hours: Hours = 24.0
    account: str | None = None
    """Whose reach, where that is not the sender. Rules never set it."""
    protects: tuple[str, ...] = ()
    """Whose contacts are kept out of reach, as far as assessments name children. Rules never set it."""


class AddFriction(Act, frozen=True, kw_only=True, tag="add_friction"):
    """For some hours what the account whose conduct it is about sends is slowed, as for anybody who sends too much.

    It begins after a wait that nothing the child did decides, so that it can be tied to no answer, refusal, block or report.
    """

    hours: Hours = 24.0
    account: str | None = None
    """Whose sending, where that is not the sender. Rules never set it."""
    protects: str | None = None
    """With `account` the pair that the wait is drawn for. Rules never set it."""


class SlowDown(Act, frozen=True, kw_only=True, tag="slow_down"):
    """Deliver, and let the service's ordinary rate limit apply to the sender."""


class OpenCase(Act, frozen=True, kw_only=True, tag="open_case"):
    queue: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,40}$")] = "default"
    priority: Annotated[int, Meta(ge=0, le=9)] = 5
    """0 is looked at first."""
    account: str | None = None
    """Whose conduct the case is about, where an assessment names somebody: each gets a case of their own. Rules never set it."""


class Notify(Act, frozen=True, kw_only=True, tag="notify"):
    """A signed webhook to an endpoint that the operator configured."""

    endpoint: Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,40}$")]


class Preserve(Act, frozen=True, kw_only=True, tag="preserve"):
    """Keep the event past its retention, as evidence."""


class SanctionAccount(Act, frozen=True, kw_only=True, tag="sanction_account"):
    """Suspend or ban a person. Refused in any rule that does not require a human verdict."""

    permanent: bool = False


class ReportAccount(Act, frozen=True, kw_only=True, tag="report_account"):
    """Report a person to an authority. Refused in any rule that does not require a human verdict."""


Action = (
    Allow
    | Nudge
    | HoldContent
    | BlockContent
    | LimitContact
    | LimitReach
    | AddFriction
    | SlowDown
    | OpenCase
    | Notify
    | Preserve
    | SanctionAccount
    | ReportAccount
)
ACTION_TYPES: tuple[type[Act], ...] = Action.__args__


LATE = "\x1f"
"""Separates an event's id from a number in the ids of decisions about accounts: no service can send an id that holds it."""


def late_id(event: str, number: int) -> str:
    """The id of a decision that the second hop gave, after the event itself was answered."""
    return f"{event}{LATE}{number}"


def event_of(id: str) -> str:
    """The event that a decision, or what came of it, goes back to."""
    return id.partition(LATE)[0]


class Mode(StrEnum):
    LIVE = "live"
    SHADOW = "shadow"


class Decision(Struct, frozen=True, kw_only=True):
    event_id: str
    at: datetime
    actions: tuple[Action, ...]
    harms: tuple[Harm, ...]
    """Harms whose assessments this event moved to more than `none`, the most urgent first."""
    level: Level
    """The highest among them."""
    reasons: tuple[str, ...]
    policy: str
    """Name and content hash of the rule set."""
    mode: Mode = Mode.LIVE
    gate: tuple[str, ...] = ()
    """The cells that allowed, or refused, the processing."""
    score: float = 0.0
    """The highest score among the harms; uncalibrated unless the assessments say otherwise."""
    calibrated: bool = False
    detectors: tuple[str, ...] = ()
    """Detectors whose findings the levels rest on, each with its version: `grooming 1.0.0`."""
    summaries: tuple[tuple[str, int], ...] = ()
    """The account summaries that were read: account and version."""
    explanations: tuple[Explanation, ...] = ()
    """Of each assessment that this event moved and that is at least elevated, or of which a detector abstained, where stages are known."""
    unread: tuple[tuple[str, Unread], ...] = ()
    """Detectors that could not read this event, each with why: that no harm was found then says nothing."""
    failures: tuple[str, ...] = ()
    """Detectors or rules that failed on this event and what was done instead, by name; never content."""


class Helpline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody to call or write to; the operator sets them."""

    name: str
    contact: str
    """A telephone number or an address on the web, as a person would type it."""
    place: str | None = None
    """ISO 3166-1 alpha-2; None: everywhere."""


class Instruction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service is to do for one party, in neutral codes that say nothing about suspicion."""

    account: str
    codes: tuple[str, ...] = ()
    """`accept`, `do_not_send`, `deliver`, `withhold`, `limited`, `reach_limited`, `rate_limited`."""
    messages: tuple[str, ...] = ()
    """Keys of the message catalogue to show, outside the conversation."""
    show: Display | None = None
    """How those may be shown; there with any message."""
    shields: tuple[str, ...] = ()
    """With `reach_limited`: accounts whose contacts and followers this one may not look up or write to. Empty: nobody is named, so no
    account that may be a minor's."""
    helplines: tuple[Helpline, ...] = ()
    """For that party's place, with messages whose key begins with `help.`."""
