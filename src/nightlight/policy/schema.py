"""The variables that a rule's condition may read: their types, their meaning, and how they are filled in for an event.

Every field is always there. Where the event has no such thing, or the service did not say, it holds the default named here, chosen
so that a missing value leads to more care and never makes a rule skip in silence. Nothing here is content: a condition cannot read
what a person wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from nightlight.core.arbitration import arbitrate
from nightlight.core.assessment import Assessment
from nightlight.core.bank import BankAction, BankKind, Match
from nightlight.core.case import Finding
from nightlight.core.event import (
    KINDS,
    AgeBand,
    Assurance,
    ChannelKind,
    ContactOutcome,
    ContactRequest,
    EventBase,
    Gift,
    Party,
    Relation,
    ReportCategory,
    UserReport,
)
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.harm import Harm, Level, Stage
from nightlight.core.signal import FLOOD, SubjectKind
from nightlight.policy.judged import Judged, Moved

NO_CHANNEL = "none"
FAR = 257
"""`match.distance` where nothing matched: further than any two PDQ hashes can be apart, so that "nearer than" is never true."""


class Type(Struct, frozen=True):
    """A type of the condition language: `bool`, `int`, `double`, `string`, or `list` of `item`."""

    name: str
    values: tuple[str, ...] = ()
    """For strings: everything it can be. Empty: any string."""
    item: Type | None = None
    others: str = ""
    """For strings with `values`: how others begin that it can be too."""

    def __str__(self) -> str:
        return f"list of {self.item}" if self.item is not None else self.name


BOOL, INT, DOUBLE, STRING = Type("bool"), Type("int"), Type("double"), Type("string")


def one_of(*values: str) -> Type:
    return Type("string", values)


class Variable(Struct, frozen=True):
    path: str
    type: Type
    meaning: str
    default: str = ""
    """What it holds where there is no such thing, in words for the reference page; empty: it is always known."""


def _names(enum: Any) -> tuple[str, ...]:
    return tuple(member.value for member in enum)


FINGERPRINT = Type("string", (*_names(FingerprintKind), ""), others="x-")

VARIABLES: tuple[Variable, ...] = (
    Variable("event.kind", one_of(*KINDS), "kind of the event"),
    Variable("event.relation", one_of(*_names(Relation)), "how actor and targets stand to each other", '"unknown"'),
    Variable("event.channel.kind", one_of(*_names(ChannelKind), NO_CHANNEL), "kind of the channel", '"none" without a channel'),
    Variable("event.channel.encrypted", BOOL, "whether the channel is end-to-end encrypted", "false"),
    Variable("event.outcome", one_of(*_names(ContactOutcome), ""), "how a contact request stands", '"" for other kinds'),
    Variable("event.mutual_contacts", INT, "contacts that both sides of a contact request share", "0"),
    Variable("event.category", one_of(*_names(ReportCategory), ""), "what a user reports", '"" for other kinds'),
    Variable("event.value", DOUBLE, "value of a gift, in the service's own unit", "0.0"),
    Variable("event.unreadable", BOOL, "the bytes of its media could not be decoded", "false"),
    Variable("actor.age_band", one_of(*_names(AgeBand)), "age band of who did it", '"unknown"'),
    Variable("actor.assurance", one_of(*_names(Assurance)), "how the age band is known", '"none"'),
    Variable("actor.account_age_days", DOUBLE, "days since the account was made", "0.0, as if it were new"),
    Variable("actor.is_minor", BOOL, "the age band is one of a minor, however it is known"),
    Variable("actor.may_be_minor", BOOL, "the age band is not that of an adult; an unknown age is a child's until assured"),
    Variable("actor.may_be_adult", BOOL, "nobody but the account holder says that this is a minor"),
    Variable("actor.contact_limited", BOOL, "a contact limit on the actor is in force"),
    Variable("actor.reach_limited", BOOL, "a limit on the actor's reach is in force"),
    Variable("actor.slowed", BOOL, "friction for the actor has begun"),
    Variable("targets.count", INT, "parties the event addresses"),
    Variable("targets.any_minor", BOOL, "one of them has the age band of a minor"),
    Variable(
        "targets.any_may_be_minor", BOOL, "one of them is not known to be an adult; true as well where a channel's audience is not named"
    ),
    Variable(
        "targets.any_beyond_reach",
        BOOL,
        "a limit on the actor's reach is in force, and one of them may be a minor and is not a child whom it protects",
    ),
    Variable("risk.harm", one_of(*_names(Harm), ""), "harm of the assessment that this event moved", '"" without one'),
    Variable("risk.level", one_of(*_names(Level)), "its level now", '"none"'),
    Variable("risk.previous", one_of(*_names(Level)), "its level before this event", '"none"'),
    Variable("risk.crossed", BOOL, "this event took it to a higher level", "false"),
    Variable("risk.score", DOUBLE, "its score, 0 to 1", "0.0"),
    Variable("risk.calibrated", BOOL, "the score was calibrated on real outcomes", "false"),
    Variable("risk.stages", Type("list", item=one_of(*_names(Stage))), "stages that the conversation shows", "empty"),
    Variable("risk.abstained", BOOL, "detectors saw something and declined to score it", "false"),
    Variable("risk.subject", one_of(*_names(SubjectKind), ""), "kind of what is at risk or poses it", '"" without an assessment'),
    Variable("risk.about_actor", BOOL, "the conduct assessed is that of this event's actor; true as well where nobody is named"),
    Variable(
        "risk.actor_is_assured_minor",
        BOOL,
        "the one whose conduct is assessed is named, and somebody other than that account's holder says it is a minor's",
        "false",
    ),
    Variable("risk.flood", BOOL, "with this event the matches of one banked item became a flood, and the item is being paused", "false"),
    Variable("match.present", BOOL, "the event's media is in an enabled bank"),
    Variable(
        "match.action", one_of(*_names(BankAction), ""), "the most that the match may do, where lists disagree too", '"" without a match'
    ),
    Variable("match.authority", BOOL, "the bank of the match that counts is an authority's", "false"),
    Variable("match.paused", BOOL, "a flood pauses it: hold, and nothing against an account", "false"),
    Variable("match.derived", BOOL, "it is of a part of a confirmed picture", "false"),
    Variable("match.bank", STRING, "name of the bank of the match that counts", '"" without a match'),
    Variable("match.bank_kind", one_of(*_names(BankKind), ""), "kind of that bank", '"" without a match'),
    Variable("match.kind", FINGERPRINT, "kind of the fingerprint that matched; foreign ones begin with x-", '"" without a match'),
    Variable("match.distance", INT, "bits apart; 0 for the same bytes", f"{FAR}, further than any match"),
    Variable("match.exact", BOOL, "the very same bytes", "false"),
    Variable("match.negative", BOOL, "it is in a bank of known false matches too", "false"),
    Variable("match.count", INT, "matches in all", "0"),
    Variable("verdict.given", BOOL, "a person has judged the case", "false"),
    Variable("verdict.finding", one_of(*_names(Finding), ""), "what they found", '"" without a verdict'),
)

BY_PATH: Mapping[str, Variable] = {v.path: v for v in VARIABLES}
GROUPS: frozenset[str] = frozenset(v.path.rsplit(".", n)[0] for v in VARIABLES for n in range(1, v.path.count(".") + 1))
"""Paths that hold others: `event`, `event.channel`, `actor`, ..."""


def members(group: str) -> tuple[str, ...]:
    """Names directly below a group; below the empty string, the groups at the top."""
    depth = group.count(".") + 1 if group else 0
    below = (v.path for v in VARIABLES if not group or v.path.startswith(f"{group}."))
    return tuple(dict.fromkeys(path.split(".")[depth] for path in below))


def _event(judged: Judged) -> dict[str, Any]:
    event = judged.event
    channel = event.channel
    return {
        "kind": event.kind,
        "relation": event.relation.value,
        "channel": {
            "kind": channel.kind.value if channel is not None else NO_CHANNEL,
            "encrypted": channel is not None and channel.encrypted,
        },
        "outcome": event.outcome.value if isinstance(event, ContactRequest) else "",
        "mutual_contacts": (event.mutual_contacts or 0) if isinstance(event, ContactRequest) else 0,
        "category": event.category.value if isinstance(event, UserReport) else "",
        "value": event.value if isinstance(event, Gift) else 0.0,
        "unreadable": judged.unreadable,
    }


def _actor(judged: Judged) -> dict[str, Any]:
    actor = judged.event.actor
    return {
        "age_band": actor.age_band.value,
        "assurance": actor.assurance.value,
        "account_age_days": float(actor.account_age_days or 0.0),
        "is_minor": actor.age_band.is_minor,
        "may_be_minor": actor.may_be_minor,
        "may_be_adult": actor.may_be_adult,
        "contact_limited": judged.limited,
        "reach_limited": judged.reach is not None,
        "slowed": judged.slowed,
    }


def _targets(judged: Judged) -> dict[str, Any]:
    event: EventBase = judged.event
    return {
        "count": len(event.targets),
        "any_minor": any(p.age_band.is_minor for p in event.targets),
        "any_may_be_minor": any(p.may_be_minor for p in event.targets) if event.targets else event.channel is not None,
        "any_beyond_reach": judged.reach is not None and _beyond(event, judged.reach),
    }


def _beyond(event: EventBase, protected: frozenset[str]) -> bool:
    if not event.targets:
        return event.channel is not None
    return any(p.may_be_minor and p.account not in protected for p in event.targets)


def _match(judged: Judged) -> dict[str, Any]:
    outcome = arbitrate(judged.matches)
    false = [m for m in judged.matches if m.bank_kind is BankKind.NEGATIVE]
    best = outcome.match if outcome is not None else min(false, key=_nearest, default=None)
    action = outcome.action if outcome is not None else BankAction.COUNT
    return {
        "present": best is not None,
        "action": action.value if best is not None else "",
        "authority": best is not None and best.authority,
        "paused": outcome is not None and outcome.paused,
        "derived": best is not None and best.derived,
        "bank": best.bank if best is not None else "",
        "bank_kind": best.bank_kind.value if best is not None else "",
        "kind": best.kind.value if best is not None else "",
        "distance": best.distance if best is not None else FAR,
        "exact": best is not None and best.kind.is_exact,
        "negative": bool(false),
        "count": len(judged.matches),
    }


def _nearest(match: Match) -> tuple[bool, int, str, str]:
    return not match.kind.is_exact, match.distance, match.bank, match.item


def _verdict(judged: Judged) -> dict[str, Any]:
    verdict = judged.verdict
    return {"given": verdict is not None, "finding": verdict.finding.value if verdict is not None else ""}


def risk_of(judged: Judged, moved: Moved | None) -> dict[str, Any]:
    """The `risk` group for one moved assessment, or its defaults."""
    previous, current = moved if moved is not None else (None, None)
    level = current.level if current is not None else Level.NONE
    before = previous.level if previous is not None else Level.NONE
    return {
        "harm": current.harm.value if current is not None else "",
        "level": level.value,
        "previous": before.value,
        "crossed": level.rank > before.rank,
        "score": float(current.score) if current is not None else 0.0,
        "calibrated": current is not None and current.calibrated,
        "stages": [stage.value for stage in current.stages] if current is not None else [],
        "abstained": current is not None and current.abstained,
        "subject": current.subject.kind.value if current is not None else "",
        "about_actor": is_about_actor(judged.event, current),
        "actor_is_assured_minor": current is not None and assured_minor(judged.event, current.actor) is not None,
        "flood": current is not None and _begins_flood(judged.event, current),
    }


def _begins_flood(event: EventBase, current: Assessment) -> bool:
    lines = (e for c in current.contributions for e in c.evidence)
    return current.subject.kind is SubjectKind.MEDIA and any(e.cue == FLOOD and e.event == event.id for e in lines)


def is_about_actor(event: EventBase, current: Assessment | None) -> bool:
    return current is None or current.actor is None or current.actor == event.actor.account


def assured_minor(event: EventBase, account: str | None) -> Party | None:
    """The party of the event with that account, where it is a minor by somebody else's word than its holder's. Who only says so
    themselves, or takes no part in this event, may be anybody: that never makes a risk smaller."""
    parties = [p for p in (event.actor, *event.targets) if p.account == account]
    return parties[0] if parties and not any(p.may_be_adult for p in parties) else None


ROOTS: Mapping[str, Callable[[Judged], dict[str, Any]]] = {
    "event": _event,
    "actor": _actor,
    "targets": _targets,
    "match": _match,
    "verdict": _verdict,
}
"""The groups that are the same for every assessment of an event; `risk` is the one that is not."""


def values_of(judged: Judged, moved: Moved | None = None) -> dict[str, Any]:
    """Every variable, as nested dictionaries of plain values."""
    return {**{root: build(judged) for root, build in ROOTS.items()}, "risk": risk_of(judged, moved)}
