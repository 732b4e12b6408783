"""A conversation opened: its lines in order, why each counts, and who takes part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, func, literal_column, select

from nightlight.adapters.store.desk.base import Desk
from nightlight.adapters.store.prepared import among, listed
from nightlight.adapters.store.tables import decisions, events, signals
from nightlight.core.decision import Decision
from nightlight.core.desk import Conversation, Line, Mark, RiskPoint, Who
from nightlight.core.event import Event, EventBase, Media, MediaScreened, Party, StreamFrame
from nightlight.core.fingerprint import FingerprintKind
from nightlight.core.harm import Level
from nightlight.core.signal import Signal

MOST_LINES = 2000
"""Of all conversations on one page together."""
FEWEST_LINES = 50
MOST_CONVERSATIONS = 40
MOST_MARKS = 40

_event = msgspec.msgpack.Decoder(Event).decode
_signal = msgspec.msgpack.Decoder(Signal).decode
_decision = msgspec.msgpack.Decoder(Decision).decode


class Transcripts(Desk):
    def _conversations(self, connection: Connection, ids: Sequence[str]) -> tuple[list[Conversation], list[RiskPoint], dict[str, Party]]:
        """Opened, with the risk over time and each account as its latest event there described it."""
        each = max(FEWEST_LINES, MOST_LINES // max(1, len(ids)))
        read = [(id, *self._lines(connection, id, each)) for id in ids]
        every = [line.event for _, lines, _ in read for line in lines]
        marks, points = self._marks(connection, every)
        decided = self._decided_on(connection, every)
        parties: dict[str, Party] = {}
        found = []
        for id, lines, more in read:
            for line in lines:
                for party in _parties(line.payload):
                    parties[party.account] = party
            found.append(Conversation(id=id, lines=tuple(_marked(lines, marks, decided)), more=more))
        return found, points, parties

    def _lines(self, connection: Connection, conversation: str, most: int) -> tuple[list[Line], int]:
        e = events.c
        latest = select(e.id, e.sealed).where(e.conversation == conversation).order_by(e.seq.desc()).limit(most)
        rows = connection.execute(latest).all()
        more = 0
        if len(rows) == most:
            total = select(func.count()).select_from(events).where(e.conversation == conversation)
            more = int(connection.execute(total).scalar_one()) - most
        opened = [_event(self._sealer.open(bytes(sealed), f"event:{id}")) for id, sealed in reversed(rows)]
        return [_line(event) for event in opened], more

    def _marks(self, connection: Connection, ids: Sequence[str]) -> tuple[Mapping[str, list[Mark]], list[RiskPoint]]:
        if not ids:
            return {}, []
        g = signals.c
        wanted = select(g.event_id, g.body).where(among(self._sql, g.event_id)).order_by(g.seq)
        marks: dict[str, dict[tuple[Any, ...], Mark]] = {}
        points = []
        for event, body in connection.execute(wanted, {"ids": listed(self._sql, ids)}).all():
            signal = _signal(bytes(body))
            points.append(RiskPoint(at=signal.at, event=event, harm=signal.harm, score=signal.score, stages=signal.stages))
            for evidence in signal.evidence:
                mark = Mark(
                    reason=evidence.reason,
                    harm=signal.harm,
                    detector=signal.detector,
                    span=evidence.span,
                    stages=signal.stages if evidence.event == event else (),
                    score=signal.score,
                    match=evidence.match,
                )
                # Told again by a later event, it is still the one mark, as it was first said.
                of_line = marks.setdefault(evidence.event, {})
                if len(of_line) < MOST_MARKS:
                    of_line.setdefault((mark.reason, mark.harm, mark.detector, mark.span), mark)
        return {event: list(found.values()) for event, found in marks.items()}, points

    def _decided_on(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, Decision]:
        """Of those that anything was found about, or done about; the rest was allowed."""
        d = decisions.c
        wanted = select(d.event_id, d.body).where(among(self._sql, d.event_id), d.mode == literal_column("'live'"))
        wanted = wanted.where(d.level != literal_column("'none'"))
        found = connection.execute(wanted, {"ids": listed(self._sql, ids)}).all() if ids else []
        return {event: _decision(bytes(body)) for event, body in found}

    def _people(self, connection: Connection, parties: Mapping[str, Party], suspected: str | None, children: Iterable[str]) -> list[Who]:
        named = {*parties, *children, *((suspected,) if suspected is not None else ())}
        own = self._names(connection, sorted(named))
        of_case = set(children)
        people = []
        for account in named:
            party = parties.get(account) or Party(account=account)
            part = "suspected" if account == suspected else "child" if account in of_case else "other"
            people.append(
                Who(
                    account=account,
                    name=own.get(account),
                    part=part,
                    age_band=party.age_band,
                    assurance=party.assurance,
                    account_age_days=party.account_age_days,
                    place=party.place,
                )
            )
        order = {"suspected": 0, "child": 1, "other": 2}
        return sorted(people, key=lambda w: (order[w.part], w.account))


def _line(event: EventBase) -> Line:
    media = media_type = None
    if isinstance(event, Media | MediaScreened | StreamFrame):
        media = next((f.value for f in event.fingerprints if f.kind is FingerprintKind.SHA256), None)
        media_type = event.media_type if isinstance(event, MediaScreened) else None
    return Line(
        event=event.id,
        at=event.at,
        kind=event.kind,
        by=event.actor.account,
        to=tuple(party.account for party in event.targets),
        text=event.content,
        media=media,
        media_type=media_type,
        payload=event,
    )


def _parties(event: EventBase | None) -> Sequence[Party]:
    return (event.actor, *event.targets) if event is not None else ()


def _marked(lines: Sequence[Line], marks: Mapping[str, list[Mark]], decided: Mapping[str, Decision]) -> list[Line]:
    highest, out = Level.NONE, []
    for line in lines:
        decision = decided.get(line.event)
        level = decision.level if decision is not None else Level.NONE
        decisive = level.rank > highest.rank
        highest = max(highest, level, key=lambda x: x.rank)
        told = tuple(str(a.__struct_config__.tag) for a in decision.actions) if decision is not None else ()
        found = tuple(marks.get(line.event, ()))
        out.append(replace(line, marks=found, decisive=decisive, decision=told, level=level) if found or decision else line)
    return out
