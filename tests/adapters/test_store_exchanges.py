"""Exchanges in either database: settings, sealed credentials, who fetches, what is remembered."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import select

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import Database, open_database
from nightlight.adapters.store.exchanges import KEEP_RUNS, LEASE, Told
from nightlight.adapters.store.tables import exchanges as table
from nightlight.core.bank import Applied, Bank, NewItem
from nightlight.core.clock import FixedClock, SystemClock
from nightlight.core.errors import Conflict, Invalid, NotFound, Unavailable
from nightlight.core.exchange import BadRow, Exchange, ExchangeKind
from nightlight.core.fingerprint import Fingerprint, FingerprintKind
from tests.adapters.exchanges.conftest import World
from tests.adapters.exchanges.servers import Shield, hashed

KEYS = {"username": "SECRETUSER", "password": "SECRETPASS"}


@pytest.fixture
def world(database: Database) -> World:
    made = World(database)
    made.add("list", "ncmec", "https://hash.example/x", KEYS)
    return made


def test_settings_come_back_without_credentials(world: World) -> None:
    (state,) = world.exchanges.list()
    e = state.exchange
    assert (e.name, e.kind, e.bank, e.url) == ("list", ExchangeKind.NCMEC, "list", "https://hash.example/x")
    assert e.credentials == ("password", "username")
    assert "SECRET" not in repr(state)
    assert state.due_at is not None
    world.exchanges.change("list", "tester", enabled=False, interval_minutes=5)
    state = world.exchanges.status("list")
    assert (state.exchange.enabled, state.exchange.interval_minutes, state.due_at) == (False, 5, None)
    with world.database.sql.read() as connection:
        row = connection.execute(select(table)).one()
    assert b"SECRET" not in bytes(row.credentials)
    assert world.database.exchanges.begin("list", "tester").credentials == KEYS
    actions = [(e.action, e.target) for _, e in world.database.audit.entries(most=100)]
    assert actions == [("bank.create", "list"), ("exchange.create", "list"), ("exchange.change", "list")]
    assert "SECRET" not in repr(world.database.audit.entries(most=100))


def test_names_and_banks_are_not_shared(world: World) -> None:
    with pytest.raises(Conflict, match="of this name"):
        world.add("list", "ncmec", "https://hash.example/x", KEYS)
    with pytest.raises(Conflict, match="its own"):
        world.exchanges.create(Exchange(name="two", kind=ExchangeKind.FILE, bank="list", options={"path": "/x"}), "tester")
    for bad in ("", "UP", "a" * 65, "../x", "x\0", "a:run"):
        with pytest.raises(Invalid):
            world.exchanges.create(Exchange(name=bad, kind=ExchangeKind.FILE, bank="b", options={"path": "/x"}), "tester")
    with pytest.raises(Conflict):
        world.exchanges.create(Exchange(name="list", kind=ExchangeKind.FILE, bank="other", options={"path": "/x"}), "tester")
    assert [bank.name for bank in world.banks.banks()] == ["list"]  # none was made for what could not be
    for name in ("nobody", ""):
        with pytest.raises(NotFound):
            world.exchanges.run(name, "tester")


def test_who_may_change_it_cannot_have_the_credentials_sent_elsewhere(world: World) -> None:
    for change in ({"url": "https://evil.example/x"}, {"options": {"environment": "test-ngo"}}):
        with pytest.raises(Invalid, match="give them again"):
            world.exchanges.change("list", "tester", **change)  # type: ignore[arg-type]
    assert world.exchanges.status("list").exchange.url == "https://hash.example/x"
    world.exchanges.change("list", "tester", url="https://other.example", credentials={"username": "a", "password": "b"})
    assert world.database.exchanges.begin("list", "tester").credentials == {"username": "a", "password": "b"}


@pytest.mark.parametrize(
    "url",
    [
        "http://hash.example",
        "ftp://hash.example",
        "https://user:pass@hash.example",
        "https://hash.example/?token=1",
        "https://hash.example/#x",
        "http://127.0.0.1.evil.example",
        "http://0.0.0.0",
        "https://",
        "hash.example",
        "https://hash.example:port",
        "https://h\u00e4sh.example",
        "http://localhost@evil.example/",
        "https://[::1",
        "x" * 600,
    ],
)
def test_where_a_list_may_not_be(world: World, url: str) -> None:
    with pytest.raises(Invalid) as refused:
        world.add("more", "ncmec", url, KEYS)
    assert refused.value.field == "url"
    assert all(bank.name != "more" for bank in world.banks.banks())


@pytest.mark.parametrize(
    ("kind", "credentials", "options", "field"),
    [
        ("ncmec", {"username": "u"}, {}, "credentials.password"),
        ("ncmec", {**KEYS, "x": "y"}, {}, "credentials"),
        ("ncmec", {"username": "u", "password": "a\nb"}, {}, "credentials.password"),
        ("ncmec", {"username": "u", "password": "p" * 5000}, {}, "credentials.password"),
        ("ncmec", KEYS, {"environment": "moon"}, "options.environment"),
        ("ncmec", KEYS, {"what": "x"}, "options.what"),
        ("threatexchange", {"api_token": "x"}, {}, "options.privacy_group"),
        ("threatexchange", {"api_token": "x"}, {"privacy_group": "../me"}, "options.privacy_group"),
        ("file", {}, {}, "options.path"),
        ("file", {}, {"path": "a\0b"}, "options.path"),
        ("arachnid", KEYS, {}, "options.ask_bank"),
    ],
)
def test_what_a_kind_needs(world: World, kind: str, credentials: dict[str, str], options: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        world.add("more", kind, "", credentials, **options)
    assert refused.value.field == field
    assert not any(value in str(refused.value) for value in credentials.values() if len(value) > 1)


def test_one_fetch_at_a_time_and_a_stale_one_cannot_write(world: World, clock: FixedClock) -> None:
    store = world.database.exchanges
    first = store.begin("list", "tester")
    with pytest.raises(Conflict, match="being fetched"):
        store.begin("list", "tester")
    with pytest.raises(Conflict, match="being fetched"):
        world.exchanges.remove("list", "tester")
    with pytest.raises(Conflict, match="being fetched"):
        world.exchanges.change("list", "tester", credentials=KEYS)
    assert world.exchanges.status("list").running
    store.note(first, Told(pages=1), b"one")
    clock.advance(LEASE + timedelta(seconds=1))
    second = store.begin("list", "tester")
    assert second.checkpoint == b"one"
    item = NewItem(fingerprints=(Fingerprint(FingerprintKind.PDQ, hashed("pdq", 1)),), source="s")

    def stale(connection: object, applied: Applied) -> None:
        store.write(connection, first, Told(applied=applied, pages=1), b"stale")  # type: ignore[arg-type]

    with pytest.raises(Conflict, match="another process"):
        world.banks.apply("list", [item], [], "x", stale)
    assert world.items("list") == []  # undone with the counts
    ended = store.end(first, "late")
    assert ended.error == "late"
    assert world.exchanges.status("list").running  # the second's, whatever the first says
    store.end(second, "")
    assert [(r.pages, r.error) for r in store.runs("list")] == [(0, ""), (1, "late")]


def test_two_at_once_and_only_one_fetches(world: World) -> None:
    got: list[object] = []

    def take() -> None:
        try:
            got.append(world.database.exchanges.begin("list", "tester").run)
        except Conflict:
            got.append("busy")

    threads = [Thread(target=take) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(map(str, got)) == ["1", "busy", "busy", "busy"]


def test_a_dead_process_of_this_machine_holds_nothing(world: World) -> None:
    world.database.exchanges.begin("list", "tester")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with world.database.sql.write() as connection:
        held = connection.execute(select(table.c.lease_by)).scalar_one()
        connection.execute(table.update().values(lease_by=f"{held.rpartition('/')[0]}/{dead.pid}"))
    assert not world.exchanges.status("list").running
    world.database.exchanges.begin("list", "tester")
    assert [r.error for r in world.exchanges.runs("list")] == ["", "it was stopped before it could say why"]


def test_what_is_kept_of_runs_is_bounded(world: World) -> None:
    store = world.database.exchanges
    begun = store.begin("list", "tester")
    store.note(begun, Told(bad=tuple(BadRow(f"page 1, row {n}", "x") for n in range(80))))
    run = store.end(begun, "no")
    assert (run.bad, len(run.reasons)) == (80, 50)
    with world.database.sql.write() as connection:
        from nightlight.adapters.store.tables import exchange_runs as runs

        row = {k: v for k, v in connection.execute(select(runs)).mappings().one().items() if k != "id"}
        connection.execute(runs.insert(), [row] * (KEEP_RUNS + 30))
    store.end(store.begin("list", "tester"), "")
    assert len(store.runs("list", 1000)) <= KEEP_RUNS + 1


def test_failures_are_tried_again_sooner_and_ever_later(world: World, clock: FixedClock) -> None:
    store = world.database.exchanges
    waits = []
    for error in ("a", "b", "c", "d", "e", "f", ""):
        store.end(store.begin("list", "tester"), error)
        due = world.exchanges.status("list").due_at
        assert due is not None
        waits.append((due - clock.now()) / timedelta(minutes=1))
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert world.exchanges.problems() == []
    clock.advance(timedelta(hours=4))
    assert "not fetched since" in world.exchanges.problems()[0]


def test_a_kind_whose_package_is_missing_names_the_extra(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith(("threatexchange", "nightlight.adapters.exchanges.ncmec"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "threatexchange", None)
    ended = world.run("list")
    assert "pip install 'nightlight[exchanges]'" in ended.error
    from nightlight.adapters.exchanges import build

    with pytest.raises(Unavailable):
        build(world.exchanges.status("list").exchange, KEYS)


def test_the_background_fetches_what_is_due_and_stops_between_pages(world: World, clock: FixedClock) -> None:
    world.exchanges.change("list", "tester", enabled=False)
    world.banks.create(Bank(name="seen"), "tester")
    world.banks.add("seen", [Fingerprint(FingerprintKind.PDQ, hashed("pdq", 1))], "tester")
    with Shield() as server:
        server.known = {hashed("pdq", 1): "csam"}
        world.add("shield", "arachnid", server.url, server.credentials, ask_bank="seen")
        world.exchanges.start_due()
        world.exchanges.wait()
        assert world.exchanges.status("shield").last_good_at == clock.now()
        world.exchanges.start_due()
        world.exchanges.wait()
        assert len(server.asked) == 1  # not due again yet
        clock.advance(timedelta(minutes=61))
        server.fail(["503"] * 100)
        server.before = lambda _: world.exchanges._stopping.set()
        world.exchanges.start_due()
        world.exchanges.stop()
        state = world.exchanges.status("shield")
        assert state.last is not None
        assert "goes on from here" in state.last.error
        assert (state.failures, state.due_at) == (0, clock.now())
        assert len(server.asked) == 2


def test_a_fetch_killed_midway_goes_on_and_loses_nothing(home: Path, tmp_path: Path) -> None:
    """The command itself, killed with SIGKILL while the server holds back a page."""
    pytest.importorskip("threatexchange", reason="the package behind this exchange is not installed (make oracles)")
    from tests.adapters.exchanges.servers import Ncmec

    secrets = tmp_path / "secrets"
    with Ncmec() as server:
        for n in range(40):
            server.put(str(n))
        secrets.write_text("username=SECRETUSER\npassword=SECRETPASS\n")
        secrets.chmod(0o600)
        environment = {**os.environ, "NIGHTLIGHT_HOME": str(home)}
        command = [sys.executable, "-m", "nightlight", "exchange"]
        add = [*command, "add", "list", "--kind", "ncmec", "--url", f"{server.url}/hashsharing", "--credentials-file", str(secrets)]
        done = subprocess.run(add, env=environment, capture_output=True, text=True, check=True)
        assert "SECRET" not in done.stdout + done.stderr
        running: list[subprocess.Popen[bytes]] = []

        def kill(_: object) -> None:
            if len(server.asked) == 6:
                running[0].kill()
                time.sleep(0.05)

        server.before = kill
        running.append(subprocess.Popen([*command, "run", "list"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        running[0].communicate(timeout=60)
        assert running[0].returncode == -9
        asked = len(server.asked)
        again = subprocess.run([*command, "run", "list", "--json"], env=environment, capture_output=True, text=True, check=True)
        assert '"added":20,' in again.stdout  # five pages of four before, five after, none of them twice
        assert '"unchanged":0,' in again.stdout
        assert len(server.asked) - asked == 6  # and one for what came since
        database = open_database(None, home, KeyFileSealer(home / "keys.json"), SystemClock(), migrate=False)
        try:
            assert World(database).held("list") == server.want()
        finally:
            database.close()
