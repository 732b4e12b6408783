"""`SqlHelp`: links for somebody who is threatened, and what their first tap keeps.

A token is sealed and says all there is to know, so that making one stores nothing: most are never used. The first tap writes one row,
which holds the latest messages of the conversation against retention and against the erasure of whoever wrote them.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, select

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store import rows
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.help_tables import help_keeps
from nightlight.adapters.store.ledger import CASES, AuditLog
from nightlight.adapters.store.prepared import insert_new
from nightlight.adapters.store.tables import events, micros, moment
from nightlight.core.clock import Clock
from nightlight.core.errors import Invalid, NotFound, Tampered
from nightlight.core.event import Party
from nightlight.core.help import MOST_TOKEN, HelpAsk, HelpLink, HelpVisit
from nightlight.core.ids import Pseudonymiser, new_id
from nightlight.core.ports import AuditEntry
from nightlight.core.user_report import MOST_ITEMS

PATH = "/with-you"
LATEST = 200
"""Messages of a conversation that a first tap keeps, and all that come after it."""
FLOW = timedelta(hours=3)
"""How long after the first tap the same page may still report. Long enough to stop, breathe and come back to the open tab."""
BY = "help-page"
_CONTEXT = "help-link"
_COLUMNS = ("id", "token_mac", "account_mac", "conversation", "first_seq", "at", "keep_until")


class Ticket(Struct, frozen=True, array_like=True):
    """What a token says."""

    at: int
    """Microseconds since 1970."""
    ask: HelpAsk


_ticket = msgspec.msgpack.Decoder(Ticket)


class SqlHelp:
    """Safe to use from several threads and processes."""

    def __init__(
        self, sql: Sql, audit: AuditLog, keys: Keyring, clock: Clock, pseudonymiser: Pseudonymiser, *, valid: timedelta, keep: timedelta
    ) -> None:
        """`valid`: until when the first tap has to come. `keep`: how long it keeps messages."""
        self._sql, self._audit, self._sealer, self._clock = sql, audit, keys, clock
        self._pseudonym, self._valid, self._keep = pseudonymiser, valid, keep
        self._key = keys.derive("help-links")
        self._put = insert_new(sql, help_keeps, _COLUMNS)

    def link(self, ask: HelpAsk) -> HelpLink:
        accounts = [party.account for party in ask.about]
        if ask.account.account in accounts or len(set(accounts)) < len(accounts):
            raise Invalid("each account once, and not the one who asks", field="about")
        now = self._clock.now()
        sealed = self._sealer.seal(rows.pack(Ticket(micros(now), ask)), _CONTEXT)
        token = urlsafe_b64encode(sealed).decode().rstrip("=")
        if len(token) > MOST_TOKEN:
            raise Invalid("too much to fit into a link", field="about")
        return HelpLink(token=token, path=PATH, expires_at=now + self._valid)

    def opened(self, token: str) -> HelpVisit:
        """See the Protocol. One row and one audit entry the first time, nothing after that."""
        raw, ticket = self._read(token)
        mac, now = hmac.digest(self._key, raw, "sha256"), self._clock.now()
        conversation = self._pseudonym("conversation", ticket.ask.conversation)
        with self._sql.read() as connection:
            found = self._find(connection, mac)
        if found is None:
            if not timedelta(0) <= now - moment(ticket.at) <= self._valid:
                raise NotFound("this link is over")
            found = self._keep_messages(ticket.ask.account, conversation, mac, now)
        elif now - moment(found.at) > FLOW:
            raise NotFound("this link is over")
        with self._sql.read() as connection:
            held = connection.execute(select(events.c.seq).where(events.c.conversation == conversation).limit(1)).first()
        return HelpVisit(
            account=ticket.ask.account,
            conversation=ticket.ask.conversation,
            about=ticket.ask.about,
            opened_at=moment(found.at),
            kept_until=moment(found.keep_until),
            kept=held is not None,
        )

    def said_by(self, conversation: str, accounts: Sequence[str], until: datetime) -> Sequence[str]:
        """Ids of the latest events of those accounts there that had come by then, the oldest first. In the service's own ids."""
        e = events.c
        where = self._pseudonym("conversation", conversation)
        who = [self._pseudonym("account", account) for account in accounts]
        wanted = select(e.id).where(e.conversation == where, e.actor.in_(who), e.received_at <= micros(until))
        with self._sql.read() as connection:
            return list(reversed(connection.execute(wanted.order_by(e.seq.desc()).limit(MOST_ITEMS - 2)).scalars().all()))

    def expire(self, now: datetime) -> int:
        """Let go of what was kept long enough; how many."""
        due = help_keeps.c.keep_until <= micros(now)
        with self._sql.read() as connection:
            if connection.execute(select(help_keeps.c.id).where(due).limit(1)).first() is None:
                return 0
        with self._audit.transaction(CASES) as ledger:
            gone = int(ledger.connection.execute(help_keeps.delete().where(due)).rowcount)
            ledger.append(AuditEntry(at=now, actor="system", action="retention", target="help_keeps", detail={"help_keeps": gone}))
        return gone

    # -- inside --------------------------------------------------------------------------------------------------------------------

    def _read(self, token: str) -> tuple[bytes, Ticket]:
        # One answer for all that is wrong with a token: it is nobody's business which it was.
        try:
            if len(token) > MOST_TOKEN or not token.isascii():
                raise ValueError
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            return raw, _ticket.decode(self._sealer.open(raw, _CONTEXT))
        except (ValueError, Tampered):  # msgspec's and binascii's errors are ValueErrors
            raise NotFound("this link is over") from None

    def _find(self, connection: Connection, mac: bytes) -> Any:
        h = help_keeps.c
        return connection.execute(select(h.at, h.keep_until).where(h.token_mac == mac)).first()

    def _keep_messages(self, account: Party, conversation: str, mac: bytes, now: datetime) -> Any:
        e = events.c
        with self._audit.transaction(CASES) as ledger:
            connection = ledger.connection
            found = self._find(connection, mac)
            if found is not None:  # another tap of the same finger was quicker
                return found
            latest = select(e.seq).where(e.conversation == conversation).order_by(e.seq.desc()).limit(LATEST).subquery()
            first, count = connection.execute(select(func.min(latest.c.seq), func.count())).one()
            id, who = new_id("help"), self._sealer.mac(f"account:{self._pseudonym('account', account.account)}".encode())
            self._put.many(connection, [(id, mac, who, conversation, first or 0, micros(now), micros(now + self._keep))])
            # Neither who asked nor where: the row is there for as long as the messages are, and then nobody is to know.
            detail = {"events": int(count), "days": self._keep.total_seconds() / 86_400}
            ledger.append(AuditEntry(at=now, actor=BY, action="help.keep", target=id, detail=detail))
            return self._find(connection, mac)
