"""Who somebody is outside the service: sealed, opened only with a reason, asked of nobody but the configured resolver."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from nightlight.adapters.store import Database
from nightlight.adapters.vault import VAULT, Resolver, SqlIdentities
from nightlight.adapters.webhook import verify_signature
from nightlight.core.casefile import Email, Identity, IpEvent
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Denied, Invalid, NotFound, TooLarge, Unavailable
from nightlight.core.ports import Endpoint
from nightlight.core.vault import FILING, KnownIdentity

from .vaulting import ADMINISTRATOR, ANA, AUDITOR, WHY, end, talk

SECRET = "resolver-secret-resolver-secret-1234"
KNOWN = KnownIdentity(
    identity=Identity(first_name="Quixlow", last_name="Zanterbrad", emails=(Email(address="quix@example.org"),)),
    ip_events=(IpEvent(address="192.0.2.7"),),
)


@pytest.fixture
def case(database: Database) -> str:
    return talk(database, before=0, after=0)


def account(database: Database, name: str = "vell") -> str:
    return database.pseudonymiser("account", name)


def test_it_goes_in_sealed_and_comes_out_for_a_reason(database: Database, case: str) -> None:
    identities = SqlIdentities(database)
    assert identities.put("vell", KNOWN, "key:1") and not identities.put("vell", KNOWN, "key:1")
    with database.sql.read() as connection:
        (row,) = connection.execute(text("SELECT account, sealed FROM identities")).all()
    assert row[0] == account(database) and b"Quixlow" not in bytes(row[1])
    assert identities.resolve(account(database), who=ANA, case=case, reason=WHY) == KNOWN
    assert identities.resolve(account(database, "brin"), who=FILING, case=case, reason=WHY) is None
    told = [e for _, e in database.audit.entries(VAULT) if e.action.startswith("identity.")]
    assert [e.action for e in told] == ["identity.put", "identity.resolve", "identity.resolve"]
    assert told[1].actor == ANA.name and told[1].detail["reason"] == WHY and told[1].detail["case"] == case
    assert not any(account(database) in e.target or "Quixlow" in str(e.detail) for e in told)
    assert identities.remove("vell", "key:1") and not identities.remove("vell", "key:1")


def test_who_may_not(database: Database, case: str) -> None:
    identities = SqlIdentities(database)
    identities.put("vell", KNOWN, "key:1")
    for who in (AUDITOR, ADMINISTRATOR):
        with pytest.raises(Denied):
            identities.resolve(account(database), who=who, case=case, reason=WHY)
        assert [e.actor for _, e in database.audit.entries(VAULT) if e.action == "identity.refused"][-1] == who.name
    with pytest.raises(Invalid):
        identities.resolve(account(database), who=ANA, case=case, reason=" ")
    with pytest.raises(NotFound):
        identities.resolve(account(database), who=ANA, case="case_x", reason=WHY)
    with pytest.raises(TooLarge):
        identities.put("vell", msgspec.structs.replace(KNOWN, display_names=("x" * 100,) * 3000), "key:1")
    with pytest.raises(Invalid):
        identities.put("", KNOWN, "key:1")


def test_it_is_erased_with_the_person(database: Database, case: str) -> None:
    SqlIdentities(database).put("vell", KNOWN, "key:1")
    assert b"Quixlow" in b"".join(database.lifecycle.export("vell", "cli"))
    database.lifecycle.erase("vell", "cli")  # a case is open: whoever has to report it must be able to say who it is about
    assert SqlIdentities(database).resolve(account(database), who=ANA, case=case, reason=WHY) == KNOWN
    end(database, case)
    database.limits.lift(account(database), "cli", "over")
    database.lifecycle.erase("vell", "cli")
    with database.sql.read() as connection:
        assert connection.execute(text("SELECT * FROM identities")).all() == []


class Service:
    """A resolver on loopback."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[str, str], bytes]] = []
        self.status, self.answer = 200, msgspec.json.encode(KNOWN)
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.asked.append((dict(self.headers), body))
                self.send_response(service.status)
                self.send_header("Content-Length", str(len(service.answer)))
                if service.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(service.answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/resolve"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_resolver_is_asked_by_a_signed_request(database: Database, case: str, service: Service, clock: FixedClock) -> None:
    resolver = Resolver(Endpoint(name="r", url=service.url, secret=SECRET), clock)
    identities = SqlIdentities(database, resolver)
    database.vault.promote()
    assert service.asked == []  # nobody is asked but for a draft
    assert identities.resolve(account(database), who=FILING, case=case, reason=WHY) == KNOWN
    ((headers, body),) = service.asked
    assert verify_signature(SECRET, headers, body, clock.now())
    assert msgspec.json.decode(body) == {"type": "identity.resolve", "account": "vell", "case": case}
    with database.sql.read() as connection:
        assert connection.execute(text("SELECT * FROM identities")).all() == []  # what it answers is not kept
    with pytest.raises(Denied):
        identities.resolve(account(database), who=AUDITOR, case=case, reason=WHY)
    assert len(service.asked) == 1
    resolver.close()


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_resolver_that_fails_is_not_taken_for_an_answer(database: Database, case: str, service: Service, clock: FixedClock) -> None:
    identities = SqlIdentities(database, Resolver(Endpoint(name="r", url=service.url, secret=SECRET), clock))

    def ask() -> Any:
        return identities.resolve(account(database), who=FILING, case=case, reason=WHY)

    bad = [
        (500, b""),
        (302, b""),
        (200, b""),
        (200, b"[]"),
        (200, b'{"identity": {"first_nam": "x"}}'),
        (200, b'{"ip_events": [{"address": "192.0.2.1", "at": "2026-01-01T00:00:00"}]}'),
        (200, b" " * (300 * 1024)),
    ]
    for service.status, service.answer in bad:
        with pytest.raises(Unavailable) as raised:
            ask()
        assert "first_nam" not in str(raised.value)
    service.status, service.answer = 404, b""
    assert ask() is None
    identities.put("vell", KNOWN, "key:1")
    service.status = 503
    assert ask() == KNOWN  # what the service itself put here is better than no report
    nobody = Resolver(Endpoint(name="r", url="http://127.0.0.1:1/", secret=SECRET), clock)
    assert SqlIdentities(database, nobody).resolve(account(database), who=FILING, case=case, reason=WHY) == KNOWN
