"""`nightlight screen --follow`: lines from a pipe without end, alerts as they come. What is held does not grow with the stream."""

from __future__ import annotations

import os
import secrets
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid, NightlightError, TooLarge
from nightlight.core.event import MAX_TARGETS, AgeBand, Assurance, Channel, ChannelKind, EventBase, Id, Message, Party, Text
from nightlight.kit.corpus import DAY_ONE, PRESENT, Role

LONGEST = 1024 * 1024
"""Bytes of a line, as of an event sent over HTTP."""
_CHUNK = 65_536
CONVERSATIONS = 10_000
"""Conversations whose parties are remembered, the least recent forgotten first: whom a later line without `to` addresses."""
EPOCH_FROM = 946_684_800.0
"""Numbers of seconds from here on (the year 2000) count from 1970; smaller ones from the start of some day, as in a corpus."""


class TalkLine(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message as corpora have it, with its conversation."""

    at: Annotated[float, Meta(ge=0, le=10**11)] | datetime
    author: Id
    text: Text
    conversation: Id
    role: Role = Role.UNKNOWN
    to: Id | Annotated[tuple[Id, ...], Meta(max_length=MAX_TARGETS)] | None = None


class _Peek(Struct, frozen=True):
    kind: Any = None


class _Talk(Struct):
    """What is remembered of a conversation."""

    present: deque[str]
    """Authors of its last messages."""
    roles: OrderedDict[str, Role]
    days: int = 0
    before: float = 0.0


class Talks:
    """Makes events of talk lines: who is there, and which day it is."""

    def __init__(self) -> None:
        self._talks: OrderedDict[str, _Talk] = OrderedDict()
        self._run = secrets.token_hex(6)

    def event(self, line: bytes, number: int) -> bytes:
        """The wire event of a talk line. Its id is of this run: a line that comes again counts again. Raises Invalid."""
        try:
            said = msgspec.json.decode(line, type=TalkLine)
        except msgspec.ValidationError as error:
            raise Invalid("expected an event with its kind, or at, author, text and conversation", field=_where(error)) from None
        except (ValueError, RecursionError):
            raise Invalid("not JSON") from None
        talk = self._talk(said.conversation)
        if said.role is not Role.UNKNOWN:
            _remember(talk.roles, said.author, said.role, PRESENT)
        named = said.to if isinstance(said.to, tuple) else (said.to,) if said.to is not None else tuple(talk.present)
        targets = [name for name in dict.fromkeys(named) if name != said.author][:MAX_TARGETS]
        event = Message(
            id=f"line:{self._run}:{number}",
            at=self._moment(said.at, talk),
            actor=_party(said.author, talk),
            targets=tuple(_party(name, talk) for name in targets),
            channel=Channel(id=said.conversation, kind=ChannelKind.DIRECT if len(targets) <= 1 else ChannelKind.GROUP),
            text=said.text,
        )
        talk.present.append(said.author)
        return msgspec.json.encode(event)

    def _talk(self, conversation: str) -> _Talk:
        talk = self._talks.get(conversation) or _Talk(deque(maxlen=PRESENT), OrderedDict())
        _remember(self._talks, conversation, talk, CONVERSATIONS)
        return talk

    def _moment(self, at: float | datetime, talk: _Talk) -> datetime:
        if isinstance(at, datetime):
            return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        if at >= EPOCH_FROM:
            return datetime.fromtimestamp(at, UTC)
        if at < talk.before - 43_200:  # half a day back: the clock passed midnight
            talk.days += 1
        talk.before = at
        return DAY_ONE + timedelta(days=talk.days, seconds=at)


def _remember(held: OrderedDict[str, Any], key: str, value: Any, most: int) -> None:
    held[key] = value
    held.move_to_end(key)
    if len(held) > most:
        held.popitem(last=False)


def _party(account: str, talk: _Talk) -> Party:
    role = talk.roles.get(account, Role.UNKNOWN)
    if role is Role.UNKNOWN:
        return Party(account=account)
    return Party(account=account, age_band=AgeBand.ADULT if role is Role.ADULT else AgeBand.A13_15, assurance=Assurance.SELF_DECLARED)


def _where(error: msgspec.ValidationError) -> str | None:
    """The path of the field, without what was written there."""
    _, found, path = str(error).rpartition(" - at `$.")
    return path.rstrip("`") if found else None


def is_event(line: bytes) -> bool:
    """Whether it says its kind, as wire events do. What is no JSON object is taken for one, and refused as such."""
    try:
        return msgspec.json.decode(line, type=_Peek).kind is not None
    except (ValueError, RecursionError):
        return True


def _is_alert(decision: Any) -> bool:
    """Whether this event moved a risk that something is to be done about, or nobody knows because a part failed.

    What else a limited account writes is held without being an alert each time.
    """
    from nightlight.app.cli.screen import acted_on
    from nightlight.core.harm import Level

    return acted_on(decision) and (decision.level is not Level.NONE or bool(decision.failures))


def arriving(descriptor: int) -> Iterator[list[tuple[int, bytes | TooLarge]]]:
    """The lines of a pipe with their numbers, in the groups they arrive in; ends with the pipe. Blank lines count and are left out.

    Reads below Python's buffers, which would wait for more than there is. A line above `LONGEST` is a TooLarge, and is not kept.
    """
    number, rest, too_long = 0, b"", False
    while chunk := os.read(descriptor, _CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        group: list[tuple[int, bytes | TooLarge]] = []
        for line in whole:
            number += 1
            if too_long or len(line) > LONGEST:
                group.append((number, TooLarge(f"a line has at most {LONGEST} bytes")))
            elif line.strip():
                group.append((number, line))
            too_long = False
        if len(rest) > LONGEST:
            rest, too_long = b"", True
        yield group
    if too_long or rest.strip():
        yield [(number + 1, TooLarge(f"a line has at most {LONGEST} bytes") if too_long else rest)]


class Follower:
    """Screens what arrives and prints alerts at once."""

    def __init__(self, nightlight: Any, *, as_json: bool) -> None:
        self._events, self._json = nightlight.events, as_json
        self._talks = Talks()
        self.not_read: Counter[str] = Counter()
        self.decided = self.alerts = self.bad = self.unread = 0

    def follow(self, descriptor: int) -> None:
        for group in arriving(descriptor):
            events: list[tuple[int, EventBase]] = []
            for number, line in group:
                try:
                    events.append((number, self._event(number, line)))
                except NightlightError as error:
                    self._refuse(number, error)
            for at in range(0, len(events), 200):
                self._settle(events[at : at + 200])

    def _event(self, number: int, line: bytes | TooLarge) -> EventBase:
        if isinstance(line, TooLarge):
            raise line
        event: EventBase = self._events.decode(line if is_event(line) else self._talks.event(line, number))
        return event

    def _settle(self, events: list[tuple[int, EventBase]]) -> None:
        from nightlight.app.cli.screen import unread

        for (number, event), answer in zip(events, self._events.submit_many([e for _, e in events]).result(), strict=True):
            if isinstance(answer, NightlightError):
                self._refuse(number, answer)
                continue
            self.decided += 1
            self.unread += unread(answer.decision)
            self.not_read.update({why.value for _, why in answer.decision.unread})
            if _is_alert(answer.decision):
                self.alerts += 1
                self._say(number, event, answer.decision)

    def _say(self, number: int, event: EventBase, decision: Any) -> None:
        from nightlight.app.cli.common import emit
        from nightlight.app.cli.screen import explain

        if self._json:
            emit({"line": number, "conversation": event.conversation, **msgspec.to_builtins(decision)})
        else:
            explain(decision, f"line {number}  conversation {event.conversation}")
        sys.stdout.flush()  # whoever reads wants to know now

    def _refuse(self, number: int, error: NightlightError) -> None:
        from nightlight.app.cli.screen import refused

        self.bad += 1
        sys.stderr.write(refused(number, error) + "\n")
        sys.stderr.flush()
