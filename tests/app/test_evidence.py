"""The whole service: what opens a case is in the vault within the second, an upload's bytes with it; commands and settings."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store import open_database
from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.cli import app
from nightlight.app.settings import FILE
from nightlight.core.bank import Bank
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Invalid, Unavailable
from nightlight.core.vault import ItemKind, Reader
from tests.adapters.vaulting import end, filled
from tests.app.conftest import EXTORTION, message, upload
from tests.app.test_pipeline import picture

NOW = datetime(2026, 3, 1, 19, 30, tzinfo=UTC)
ANA = Reader(name="reviewer:ana", role="reviewer")


def test_an_upload_that_opens_a_case_is_kept_by_its_bytes(graph: Nightlight) -> None:
    known, other = picture(), picture(2)
    graph.banks.create(Bank(name="own"), "cli")
    graph.banks.add_bytes("own", known, "cli")
    assert graph.media.screen(msgspec.json.encode(upload(id="m1")), known).result(60).decision.harms
    graph.media.screen(msgspec.json.encode(upload(id="m2")), other).result(60)
    case = next(c for c in graph.database.cases.cases() if "m1" in c.events)
    kept = graph.vault.find(case.id, hashlib.sha256(known).hexdigest())
    assert kept is not None and kept.media_type == "image/png" and kept.event == "m1"
    assert graph.vault.open(case.id, kept.id, who=ANA, reason="to judge it") == known
    # Sent again, as a service does that heard nothing: kept once.
    graph.media.screen(msgspec.json.encode(upload(id="m1")), known).result(60)
    assert [i.kind for i in graph.vault.items(case.id)] == [ItemKind.MEDIA]
    assert graph.vault.promote() >= 1
    assert graph.vault.find(case.id, hashlib.sha256(other).hexdigest()) is None
    assert "m1" in graph.vault.read(case.id, who=ANA, reason="to judge it")
    assert graph.vault.verify().ok


def test_a_crash_between_decision_and_vault_is_made_good_by_the_repetition(graph: Nightlight, monkeypatch: pytest.MonkeyPatch) -> None:
    known = picture()
    graph.banks.create(Bank(name="own"), "cli")
    graph.banks.add_bytes("own", known, "cli")

    def dies(*_: object) -> None:
        raise Unavailable("cut off")

    with monkeypatch.context() as broken:
        broken.setattr(graph.vault, "keep", dies)
        with pytest.raises(Unavailable):  # whoever is not answered sends again
            graph.media.screen(msgspec.json.encode(upload(id="m1")), known).result(60)
    graph.media.screen(msgspec.json.encode(upload(id="m1")), known).result(60)
    case = next(c for c in graph.database.cases.cases() if "m1" in c.events)
    assert graph.vault.find(case.id, hashlib.sha256(known).hexdigest()) is not None


def test_the_service_moves_messages_in_by_itself(build: Callable[..., Nightlight]) -> None:
    graph = build()
    graph.start(background=True)
    graph.events.submit(graph.events.decode(msgspec.json.encode(message(EXTORTION, id="x1")))).result(60)
    case = next(c for c in graph.database.cases.cases() if "x1" in c.events)
    end = time.monotonic() + 20
    while not graph.vault.items(case.id) and time.monotonic() < end:
        time.sleep(0.02)
    assert "x1" in graph.vault.read(case.id, who=ANA, reason="to judge it")


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[CliRunner, str]:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(home))
    database = open_database(None, home, KeyFileSealer(home / "keys.json"), FixedClock(NOW), migrate=True)
    _, case = filled(database)
    end(database, case)
    database.close()
    return CliRunner(), case


def test_the_commands(cli: tuple[CliRunner, str], home: Path) -> None:
    runner, case = cli
    listed = runner.invoke(app, ["vault", "list"])
    assert listed.exit_code == 0 and case in listed.stdout and "us-2258a" in listed.stderr
    assert len(msgspec.json.decode(runner.invoke(app, ["vault", "list", case, "--json"]).stdout)["items"]) == 5
    hold = runner.invoke(app, ["vault", "hold", case, "--reason", "an order"]).stdout.strip()
    assert runner.invoke(app, ["vault", "destroy", case, "--reason", "x", "--yes"]).exit_code != 0
    assert runner.invoke(app, ["vault", "release", case, hold, "--reason", "over"]).exit_code == 0
    assert "1 case keys" in runner.invoke(app, ["vault", "rotate"]).stdout
    assert runner.invoke(app, ["vault", "verify"]).exit_code == 0
    kept = runner.invoke(app, ["audit", "checkpoint"])
    (home.parent / "kept.json").write_bytes(kept.stdout_bytes)
    assert runner.invoke(app, ["audit", "verify", "--checkpoint", str(home.parent / "kept.json")]).exit_code == 0
    public = msgspec.json.decode(kept.stdout_bytes)["public_key"]
    assert runner.invoke(app, ["audit", "verify", "--checkpoint", str(home.parent / "kept.json"), "--public-key", public]).exit_code == 0
    destroyed = runner.invoke(app, ["vault", "destroy", case, "--reason", "no longer needed", "--yes"])
    assert destroyed.exit_code == 0 and msgspec.json.decode(destroyed.stdout)["events"] == 4
    assert case in runner.invoke(app, ["vault", "list", "--destroyed"]).stdout
    assert case not in runner.invoke(app, ["vault", "list"]).stdout
    database = open_database(None, home, KeyFileSealer(home / "keys.json"), FixedClock(NOW), migrate=False)
    with database.sql.write() as connection:
        connection.exec_driver_sql("UPDATE vault_destructions SET at = at + 1")
        connection.exec_driver_sql("DELETE FROM audit WHERE partition = 'vault' AND seq > 2")
    database.close()
    assert runner.invoke(app, ["vault", "verify"]).exit_code == 5
    found = runner.invoke(app, ["audit", "verify", "--checkpoint", str(home.parent / "kept.json")])
    assert found.exit_code == 5 and "checkpoint" in found.stderr


def test_the_settings(home: Path) -> None:
    (home / "own.toml").write_text('version = "1"\n[default]\nfrom = "opened"\ndays = 7\n')
    (home / FILE).write_text(
        '[vault]\nkeys = "elsewhere/keys"\nclocks = "own.toml"\nplaces = ["US"]\n'
        '[identities.resolver]\nurl = "http://127.0.0.1:1/x"\nsecret = "resolver-secret-resolver-secret-1234"\n'
    )
    with bootstrap(home, clock=FixedClock(NOW)) as engine:
        _, case = filled(engine.database)
        held = engine.vault.holding(case)
        assert (held.keep_until - held.opened_at).days == 7 and held.places == ("US",)
        assert (home / "elsewhere/keys/wrapping.json").exists() and not (home / "vault-keys").exists()
        assert engine.resolver is not None and engine.services.vault is engine.vault
    for bad, words in (
        ('[vault]\nclocks = "none.toml"\n', "cannot be read"),
        ('[vault]\nclok = "x"\n', "clocks"),
        ('[identities.resolver]\nurl = "http://127.0.0.1/x"\n', "secret"),
    ):
        (home / FILE).write_text(bad)
        with pytest.raises(Invalid, match=words):
            bootstrap(home, clock=FixedClock(NOW))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "version"),
        ("version = 1", "version"),
        ('version = "1"\n[[clock]]\nname = "x"', "clock"),
        ('version = "1"\n[regions]\nEU = ["Germany"]', "Germany"),
        ('version = "1"\n[default]\ndays = 0', "days"),
        ('version = "1"\n[[clock]]\nname="a"\nkind="duty"\nplaces=[]\nfrom="opened"\ndays=1\nlaw="law"\nreviewed=2026-01-01', "no place"),
        ('version = "1"\n[[clock]]\nname="a"\nkind="duty"\nplaces=["usa"]\nfrom="opened"\ndays=1\nlaw="law"\nreviewed=2026-01-01', "usa"),
        (
            'version = "1"\n'
            + '[[clock]]\nname="a"\nkind="duty"\nplaces=["*"]\nfrom="opened"\ndays=1\nlaw="law"\nreviewed=2026-01-01\n' * 2,
            "same name",
        ),
    ],
)
def test_a_table_of_clocks_that_is_wrong_says_where(table: str, words: str) -> None:
    from nightlight.adapters.vault import load_clocks

    with pytest.raises(Invalid, match=words):
        load_clocks(table, "own.toml")
