"""Who somebody is outside the service: a sealed table of its own, and the service's resolver. Opened only while a report is drafted."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import httpx
import msgspec
import structlog
from msgspec import Struct
from sqlalchemy import Connection, select

from nightlight.adapters.lifecycle.deletion import thorough
from nightlight.adapters.store.preserved import refuse_preserved_account
from nightlight.adapters.store.tables import cases
from nightlight.adapters.store.vault_tables import identities
from nightlight.adapters.vault.store import VAULT, said
from nightlight.adapters.webhook import signed_headers
from nightlight.core.clock import Clock
from nightlight.core.errors import Denied, Invalid, NotFound, Tampered, TooLarge, Unavailable
from nightlight.core.identity import IdentityBody
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry, Endpoint
from nightlight.core.vault import MAY_RESOLVE, KnownIdentity, Reader

if TYPE_CHECKING:
    from nightlight.adapters.store.database import Database

log = structlog.get_logger("nightlight.identities")

MOST_BYTES = 256 * 1024
"""Of one identity, as JSON: some thousands of IP captures. More is a mistake."""
TIMEOUT_S = 10.0
_body = msgspec.json.Decoder(IdentityBody)


class Question(Struct, frozen=True, kw_only=True):
    """What the resolver is asked."""

    type: str = "identity.resolve"
    account: str
    """The service's own id."""
    case: str


class Resolver:
    """Asks the service, with a request signed as webhooks are. Only ever at the URL that the operator configured."""

    def __init__(self, endpoint: Endpoint, clock: Clock, *, timeout_s: float = TIMEOUT_S) -> None:
        self._endpoint, self._clock, self._timeout_s = endpoint, clock, timeout_s
        self._lock = Lock()
        self._made: httpx.Client | None = None

    def ask(self, account: str, case: str) -> KnownIdentity | None:
        """None where the service does not know the account (404). Raises Unavailable; never with what was answered."""
        body = msgspec.json.encode(Question(account=account, case=case))
        headers = {"content-type": "application/json", "accept": "application/json", "user-agent": "nightlight"}
        headers |= signed_headers(self._endpoint.secret, new_id("ask"), body, self._clock.now())
        try:
            with self._client().stream("POST", self._endpoint.url, content=body, headers=headers) as response:
                if response.status_code == httpx.codes.NOT_FOUND:
                    return None
                if response.status_code != httpx.codes.OK:
                    raise Unavailable(f"the identity resolver answered HTTP {response.status_code}")
                answer = bytearray()
                for part in response.iter_bytes():
                    answer += part
                    if len(answer) > MOST_BYTES:
                        raise Unavailable("the identity resolver answered more than an identity can be")
        except httpx.HTTPError as error:
            raise Unavailable(f"the identity resolver cannot be reached: {type(error).__name__}") from None
        try:
            return _body.decode(bytes(answer)).known()
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Unavailable("the identity resolver answered something that is no identity") from None

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    def _client(self) -> httpx.Client:
        with self._lock:
            if self._made is None:
                # Neither the environment's proxies nor a redirect may carry the question where nobody agreed to.
                self._made = httpx.Client(timeout=self._timeout_s, follow_redirects=False, trust_env=False)
            return self._made


class SqlIdentities:
    """Fills `core.vault.Identities`. Safe to use from several threads."""

    def __init__(self, database: Database, resolver: Resolver | None = None) -> None:
        self._db, self._resolver = database, resolver

    def put(self, account: str, known: KnownIdentity, by: str) -> bool:
        _account(account)
        raw = msgspec.msgpack.encode(known)
        if len(raw) > MOST_BYTES:
            raise TooLarge(f"an identity has {MOST_BYTES} bytes at most", field="identity")
        pseudonym = self._db.pseudonymiser("account", account)
        table, mine = identities, identities.c.account == pseudonym
        with self._db.audit.transaction(VAULT) as ledger, thorough(ledger.connection):
            there = self._sealed(ledger.connection, pseudonym)
            if there is not None and self._opened(pseudonym, there) == known:
                return False
            sealed = self._db.sealer.seal(raw, f"identity:{pseudonym}")
            ledger.connection.execute(table.delete().where(mine))
            ledger.connection.execute(table.insert().values(account=pseudonym, sealed=sealed))
            ledger.append(self._entry(by, "identity.put", pseudonym, new=there is None))
        return True

    def remove(self, account: str, by: str) -> bool:
        _account(account)
        pseudonym = self._db.pseudonymiser("account", account)
        with self._db.audit.transaction(VAULT) as ledger, thorough(ledger.connection):
            refuse_preserved_account(ledger.connection, pseudonym)
            done = ledger.connection.execute(identities.delete().where(identities.c.account == pseudonym)).rowcount
            if done:
                ledger.append(self._entry(by, "identity.remove", pseudonym))
        return bool(done)

    def resolve(self, account: str, *, who: Reader, case: str, reason: str) -> KnownIdentity | None:
        reason = said(reason)
        allowed = who.role in MAY_RESOLVE
        with self._db.audit.transaction(VAULT) as ledger:
            if ledger.connection.execute(select(cases.c.id).where(cases.c.id == case)).first() is None:
                raise NotFound("there is no such case", field="case")
            sealed = self._sealed(ledger.connection, account) if allowed else None
            action = "identity.resolve" if allowed else "identity.refused"
            asked = allowed and self._resolver is not None
            held = sealed is not None
            ledger.append(self._entry(who.name, action, account, role=who.role, reason=reason, case=case, held=held, asked=asked))
        if not allowed:
            raise Denied(f"the role {who.role} may not ask who somebody is", field="role")
        name = self._db.pipeline.original_accounts([account]).get(account)
        if self._resolver is not None and name is not None:
            own = self._db.sealer.open(name, f"account:{account}").decode()
            try:
                if (answer := self._resolver.ask(own, case)) is not None:
                    return answer
            except Unavailable:
                if sealed is None:
                    raise
                log.warning("identity.resolver_failed", case=case)
        return None if sealed is None else self._opened(account, sealed)

    def _sealed(self, connection: Connection, pseudonym: str) -> bytes | None:
        found = connection.execute(select(identities.c.sealed).where(identities.c.account == pseudonym)).scalar_one_or_none()
        return None if found is None else bytes(found)

    def _opened(self, pseudonym: str, sealed: bytes) -> KnownIdentity:
        plain = self._db.sealer.open(sealed, f"identity:{pseudonym}")
        try:
            return msgspec.msgpack.decode(plain, type=KnownIdentity)
        except msgspec.MsgspecError:
            raise Tampered("a sealed identity cannot be read") from None

    def _entry(self, by: str, action: str, pseudonym: str, **detail: str | bool) -> AuditEntry:
        """The audit names nobody: a commitment stands for the account."""
        from nightlight.adapters.lifecycle.persons import commitment

        return AuditEntry(at=self._db.clock.now(), actor=by, action=action, target=commitment(self._db, pseudonym), detail=detail)


def _account(account: str) -> None:
    if not account or len(account) > 200:
        raise Invalid("an account's id has 1 to 200 characters", field="account")
