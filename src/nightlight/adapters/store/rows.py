"""A `Work` as rows: what the database is handed, and nothing but plain tuples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from nightlight.adapters.store.prepared import Values
from nightlight.adapters.store.tables import micros, moment
from nightlight.core.decision import event_of
from nightlight.core.ports import ContactLimit, LimitKind, Outgoing, Sealer, StoredEvent, Work

pack = msgspec.msgpack.Encoder().encode

EVENT = ("id", "at", "received_at", "kind", "conversation", "actor", "accounts", "body_mac", "sealed", "expires_at", "preserved")
EVENT_ACCOUNT = ("account", "event_id")
DECISION = ("event_id", "mode", "at", "level", "policy", "late_of", "body")
SIGNAL = ("event_id", "subject_kind", "subject_id", "harm", "score", "at", "detector", "actor", "protects", "body")
STATE = ("id", "kind", "detector", "version", "raw", "updated_at")
ASSESSMENT = ("subject_id", "subject_kind", "harm", "level", "at", "actor", "protects", "body")
SUMMARY = ("account", "version", "body", "updated_at")
FACT = ("key_kind", "key_id", "other", "event_id", "body")
TAIL = ("direction", "sealed", "expires_at")
LIMIT = ("account", "event_id", "until", "rule", "lifted_by", "reviewed", "kind", "since", "protects")
OUTGOING = ("key", "endpoint", "sealed", "not_before", "cancel_key", "state", "attempts", "error", "created_at")
ACCOUNT = ("pseudonym", "sealed", "created_at")

_accounts = msgspec.msgpack.Decoder(tuple[str, ...]).decode


def events(work: Work) -> list[Values]:
    return [
        (
            e.id,
            micros(e.at),
            micros(e.received_at),
            e.kind,
            e.conversation,
            e.actor,
            pack(e.accounts),
            e.body_mac,
            e.sealed,
            micros(e.expires_at),
            e.preserved,
        )
        for e in work.events
    ]


def event_accounts(work: Work) -> list[Values]:
    return [(account, e.id) for e in work.events for account in dict.fromkeys(e.accounts)]


def decisions(work: Work) -> list[Values]:
    return [(d.event_id, d.mode, micros(d.at), d.level, d.policy, _late_of(d.event_id), pack(d)) for d in work.decisions]


def _late_of(id: str) -> str | None:
    """The event that a decision of the second hop is about, which was answered before."""
    event = event_of(id)
    return event if event != id else None


def signals(work: Work) -> list[Values]:
    return [
        (id, s.subject.kind, s.subject.id, s.harm, s.score, micros(s.at), s.detector, s.actor, s.protects, pack(s))
        for id, s in work.signals
    ]


def states(work: Work, now: int) -> list[Values]:
    return [(key.id, key.kind, detector, s.version, s.raw, now) for (detector, key), s in work.states.items()]


def assessments(work: Work) -> list[Values]:
    return [(a.subject.id, a.subject.kind, a.harm, a.level, micros(a.at), a.actor, a.protects, pack(a)) for a in work.assessments]


def summaries(work: Work, now: int) -> list[Values]:
    return [(account, s.version, pack(s), now) for account, s in work.summaries.items()]


def facts(work: Work) -> list[Values]:
    return [(f.key.kind, f.key.id, f.other, f.event, pack(f)) for f in work.facts]


def tails(work: Work) -> list[Values]:
    if not work.tails:
        return []
    if work.tails_expire_at is None:
        raise ValueError("tails without a time at which they expire")
    until = micros(work.tails_expire_at)
    return [(direction, sealed, until) for direction, sealed in work.tails.items()]


def limits(work: Work) -> list[Values]:
    return [
        (
            x.account,
            x.event,
            micros(x.until),
            x.rule,
            x.lifted_by,
            x.reviewed,
            x.kind,
            micros(x.since) if x.since is not None else None,
            pack(x.protects),
        )
        for x in work.limits
    ]


def outgoing(messages: Sequence[Outgoing], sealer: Sealer, now: int) -> list[Values]:
    # Sorted, as accounts are: two partitions that write the same rows in two orders would wait for each other for ever.
    return [
        (o.key, o.endpoint, sealer.seal(o.body, f"outbox:{o.key}"), micros(o.not_before), o.cancel_key, "waiting", 0, "", now)
        for o in sorted(messages, key=lambda o: o.key)
    ]


def accounts(work: Work, now: int) -> list[Values]:
    return [(pseudonym, sealed, now) for pseudonym, sealed in sorted(work.accounts.items())]


def stored_event(row: Any) -> StoredEvent:
    """From the columns of EVENT, in that order."""
    id, at, received_at, kind, conversation, actor, accounts, body_mac, sealed, expires_at, preserved = row
    return StoredEvent(
        id=id,
        at=moment(at),
        received_at=moment(received_at),
        kind=kind,
        conversation=conversation,
        actor=actor,
        accounts=_accounts(accounts),
        body_mac=bytes(body_mac),
        sealed=bytes(sealed),
        expires_at=moment(expires_at),
        preserved=bool(preserved),
    )


def limit_of(row: Any) -> ContactLimit:
    """From the columns of LIMIT, in that order."""
    account, event, until, rule, lifted_by, reviewed, kind, since, protects = row
    return ContactLimit(
        account=account,
        until=moment(until),
        event=event,
        rule=rule,
        lifted_by=lifted_by,
        reviewed=bool(reviewed),
        kind=LimitKind(kind),
        since=moment(since) if since is not None else None,
        protects=_accounts(bytes(protects)),
    )
