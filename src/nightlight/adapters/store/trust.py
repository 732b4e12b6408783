"""`SqlTrust`: two people in one place who confirm each other by a code, shown on one screen and typed on the other.

As elsewhere the code is not stored, only a keyed hash of it. A code is gone with the first try that finds it, whatever comes of that:
nobody finds out by trying again what was in the way.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, or_, select

from nightlight.adapters.sealer import Keyring
from nightlight.adapters.store import rows
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog, Ledger
from nightlight.adapters.store.prepared import insert_new
from nightlight.adapters.store.tables import accounts, micros, moment
from nightlight.adapters.store.trust_tables import pairing_offers, pairing_tries, trusted_contacts
from nightlight.core.clock import Clock
from nightlight.core.errors import Busy, Invalid
from nightlight.core.gates import (
    Ended,
    Offered,
    Paired,
    PairingAccept,
    PairingEnd,
    PairingOffer,
    PairingState,
    TrustedContact,
)
from nightlight.core.ids import Pseudonymiser, fit_for_id
from nightlight.core.ports import AuditEntry, Head, Work
from nightlight.core.self_report import ALPHABET, code_of, read_code

CODE_SIGNS = 7
"""Random ones of a code, and one to check: 23^7 is 3.4 * 10^9. It is good for minutes and for one try that finds it."""
MOST_CONTACTS = 200
"""Trusted contacts of one account: people one has stood beside."""
_NOWHERE = Head("")
_TRIES_KEPT = timedelta(days=1)

MayPair = Callable[[PairingOffer, PairingOffer], bool]


class PairingLimits(Struct, frozen=True, kw_only=True):
    good_for: timedelta = timedelta(minutes=5)
    """A code."""
    tries: int = 5
    """Wrong codes of one account within..."""
    tries_within: timedelta = timedelta(minutes=15)
    offers: int = 12
    """Codes of one account within an hour."""


class SqlTrust:
    """Fills `core.gates.TrustService`. Safe to use from several threads and processes."""

    def __init__(
        self,
        sql: Sql,
        audit: AuditLog,
        keys: Keyring,
        clock: Clock,
        pseudonymiser: Pseudonymiser,
        may_pair: MayPair,
        limits: PairingLimits | None = None,
    ) -> None:
        """`may_pair`: whether two may become trusted contacts, in the service's own ids."""
        self._sql, self._audit, self._sealer, self._clock = sql, audit, keys, clock
        self._pseudonym, self._may_pair, self._limits = pseudonymiser, may_pair, limits or PairingLimits()
        self._key = keys.derive("trusted-contacts")

    def offer(self, offer: PairingOffer, by: str) -> Offered:
        """See the Protocol."""
        fit_for_id(offer.party.account, "party.account")
        now = self._clock.now()
        code = code_of(secrets.randbelow(len(ALPHABET)) for _ in range(CODE_SIGNS))
        until = now + self._limits.good_for
        account = self._pseudonym("account", offer.party.account)
        o = pairing_offers.c
        with self._audit.transaction() as ledger:
            connection = ledger.connection
            if self._tried(connection, account, "offer", now - timedelta(hours=1)) >= self._limits.offers:
                raise Busy("this account has made as many codes as an hour may bring; try again later")
            # One that is over frees its code, so that a code means one offer at a time.
            connection.execute(pairing_offers.delete().where(or_(o.account == account, o.expires_at <= micros(now))))
            row = {
                "account": account,
                "code_mac": self._mac(code),
                "sealed": self._sealer.seal(rows.pack(offer), f"pairing:{account}"),
                "expires_at": micros(until),
            }
            connection.execute(pairing_offers.insert().values(**row))
            self._try(connection, account, "offer", now)
            self._tell(ledger, "trust.offer", by, now, account)
        return Offered(code=code, expires_at=until)

    def accept(self, accept: PairingAccept, by: str) -> Paired:
        """See the Protocol."""
        fit_for_id(accept.party.account, "party.account")
        now = self._clock.now()
        account = self._pseudonym("account", accept.party.account)
        try:
            code = read_code(accept.code, CODE_SIGNS)
        except Invalid:
            return Paired(state=PairingState.WRONG_CODE)  # a slip of the finger, which its last sign shows, costs no try
        own = PairingOffer(party=accept.party, guardian_agreed=accept.guardian_agreed)
        with self._audit.transaction() as ledger:
            connection = ledger.connection
            if self._tried(connection, account, "wrong", now - self._limits.tries_within) >= self._limits.tries:
                return Paired(state=PairingState.WAIT)
            found = self._taken(connection, code, now)
            if found is None:
                self._try(connection, account, "wrong", now)
                self._tell(ledger, "trust.wrong_code", by, now, account)
                return Paired(state=PairingState.WRONG_CODE)
            other, offer = found
            if not self._can(connection, account, other) or not self._may_pair(offer, own):
                self._tell(ledger, "trust.refuse", by, now, account, other)
                return Paired(state=PairingState.NOT_AVAILABLE)
            self._pair(connection, {account: accept.party.account, other: offer.party.account}, now)
            self._tell(ledger, "trust.pair", by, now, account, other)
        return Paired(state=PairingState.PAIRED, other=offer.party.account)

    def end(self, end: PairingEnd, by: str) -> Ended:
        """See the Protocol."""
        fit_for_id(end.account, "account")
        fit_for_id(end.other, "other")
        now = self._clock.now()
        account, other = self._pseudonym("account", end.account), self._pseudonym("account", end.other)
        t = trusted_contacts.c
        first, second = sorted((account, other))
        with self._audit.transaction() as ledger:
            gone = ledger.connection.execute(trusted_contacts.delete().where(t.first == first, t.second == second)).rowcount
            if gone:
                self._tell(ledger, "trust.end", by, now, account, other)
        return Ended(ended=bool(gone))

    def contacts(self, account: str, most: int = MOST_CONTACTS) -> Sequence[TrustedContact]:
        own = self._pseudonym("account", account)
        t = trusted_contacts.c
        wanted = select(t.first, t.second, t.since).where(or_(t.first == own, t.second == own)).order_by(t.since.desc(), t.first, t.second)
        with self._sql.read() as connection:
            found = [(b if a == own else a, since) for a, b, since in connection.execute(wanted.limit(most))]
            sealed = self._names(connection, [other for other, _ in found])
        return [TrustedContact(account=sealed[other], since=moment(since)) for other, since in found if other in sealed]

    def expire(self, now: datetime) -> int:
        """Delete codes and counts of tries whose time is over; how many rows. What is over counts as nothing before it is deleted."""
        old = pairing_tries.c.at <= micros(now - _TRIES_KEPT)
        due = ((pairing_offers, pairing_offers.c.expires_at <= micros(now)), (pairing_tries, old))
        with self._sql.read() as connection:
            if not any(connection.execute(select(func.count()).select_from(table).where(over)).scalar_one() for table, over in due):
                return 0
        with self._audit.transaction() as ledger:
            done = {table.name: ledger.connection.execute(table.delete().where(over)).rowcount for table, over in due}
            ledger.append(AuditEntry(at=now, actor="system", action="retention", target="trusted contacts", detail=done))
        return sum(done.values())

    # -- inside --------------------------------------------------------------------------------------------------------------------

    def _taken(self, connection: Connection, code: str, now: datetime) -> tuple[str, PairingOffer] | None:
        """The offer behind a code, which is over from now on."""
        o = pairing_offers.c
        wanted = select(o.account, o.sealed).where(o.code_mac == self._mac(code), o.expires_at > micros(now))
        found = connection.execute(wanted).first()
        if found is None:
            return None
        connection.execute(pairing_offers.delete().where(o.account == found.account))
        opened = self._sealer.open(bytes(found.sealed), f"pairing:{found.account}")
        return str(found.account), msgspec.msgpack.decode(opened, type=PairingOffer)

    def _can(self, connection: Connection, account: str, other: str) -> bool:
        t = trusted_contacts.c
        for one in (account, other):
            count = select(func.count()).select_from(trusted_contacts).where(or_(t.first == one, t.second == one))
            if connection.execute(count).scalar_one() >= MOST_CONTACTS:
                return False
        return account != other

    def _pair(self, connection: Connection, names: Mapping[str, str], now: datetime) -> None:
        first, second = sorted(names)
        insert_new(self._sql, trusted_contacts, ("first", "second", "since")).many(connection, [(first, second, micros(now))])
        sealed = {p: self._sealer.seal(own.encode(), f"account:{p}") for p, own in names.items()}
        known = rows.accounts(Work(head=_NOWHERE, advance=0, accounts=sealed), micros(now))
        insert_new(self._sql, accounts, rows.ACCOUNT).many(connection, known)

    def _names(self, connection: Connection, pseudonyms: Sequence[str]) -> dict[str, str]:
        a = accounts.c
        found = connection.execute(select(a.pseudonym, a.sealed).where(a.pseudonym.in_(pseudonyms))).all()
        return {p: self._sealer.open(bytes(sealed), f"account:{p}").decode() for p, sealed in found}

    def _tried(self, connection: Connection, account: str, kind: str, since: datetime) -> int:
        t = pairing_tries.c
        counted = select(func.count()).select_from(pairing_tries).where(t.account == account, t.kind == kind, t.at > micros(since))
        return int(connection.execute(counted).scalar_one())

    def _try(self, connection: Connection, account: str, kind: str, now: datetime) -> None:
        connection.execute(pairing_tries.insert().values(account=account, kind=kind, at=micros(now)))

    def _tell(self, ledger: Ledger, action: str, by: str, now: datetime, account: str, other: str | None = None) -> None:
        # The chain cannot be struck when a person is erased, so it never names them: commitments stand for them.
        detail = {} if other is None else {"other": self._commitment(other)}
        ledger.append(AuditEntry(at=now, actor=by, action=action, target=self._commitment(account), detail=detail))

    def _commitment(self, account: str) -> str:
        return self._sealer.mac(f"account:{account}".encode()).hex()

    def _mac(self, code: str) -> bytes:
        return hmac.digest(self._key, code.encode(), "sha256")
