"""Links to help, and what the first tap keeps: against retention and against whoever wants their own words gone."""

from __future__ import annotations

import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta

import msgspec
import pytest
from sqlalchemy import func, select

from nightlight.adapters.store import Database
from nightlight.adapters.store.help import FLOW, LATEST, SqlHelp
from nightlight.adapters.store.help_tables import help_keeps
from nightlight.adapters.store.tables import audit, events
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Invalid, NotFound
from nightlight.core.event import AgeBand, Party
from nightlight.core.help import HelpAsk

from .works import START, Writer

VALID, KEEP = timedelta(minutes=30), timedelta(days=14)
ASK = HelpAsk(account=Party(account="brin", age_band=AgeBand.A13_15, place="GB"), conversation="room", about=(Party(account="vell"),))


@pytest.fixture
def help(database: Database) -> SqlHelp:
    return database.help(valid=VALID, keep=KEEP)


def said(writer: Writer, *ids: str, actor: str = "vell", channel: str = "room", at: datetime = START) -> None:
    target = "brin" if actor == "vell" else "vell"
    writer.database.pipeline.commit(writer.chat(*ids, actor=actor, target=target, channel=channel, at=at))


def count(database: Database, table: object) -> int:
    with database.sql.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def test_a_link_stores_nothing_until_it_is_tapped_and_one_row_then(database: Database, writer: Writer, help: SqlHelp) -> None:
    said(writer, "e1")
    link = help.link(ASK)
    assert count(database, help_keeps) == 0 and link.expires_at == database.clock.now() + VALID
    for word in (b"brin", b"vell", b"room"):
        assert word not in urlsafe_b64decode(link.token + "==")
    visit = help.opened(link.token)
    assert (visit.account, visit.conversation, visit.about) == (ASK.account, "room", ASK.about)
    assert visit.kept and visit.kept_until == database.clock.now() + KEEP
    before = count(database, audit)
    assert help.opened(link.token) == visit
    assert (count(database, help_keeps), count(database, audit)) == (1, before)  # the second tap of the same finger changes nothing


def test_what_was_said_is_kept_that_long_and_no_longer(database: Database, writer: Writer, help: SqlHelp, clock: FixedClock) -> None:
    said(writer, "e1", "e2")
    with database.sql.write() as connection:
        connection.execute(events.update().values(expires_at=0))
    help.opened(help.link(ASK).token)
    database.lifecycle.retention(clock.now())
    assert count(database, events) == 2
    assert help.expire(clock.now() + KEEP - timedelta(seconds=1)) == 0
    assert help.expire(clock.now() + KEEP) == 1
    database.lifecycle.retention(clock.now())
    assert count(database, events) == 0
    assert database.audit.verify().ok


def test_whoever_threatened_cannot_have_it_erased_and_is_not_told_why(database: Database, writer: Writer, help: SqlHelp) -> None:
    said(writer, "e1")
    said(writer, "e2", channel="elsewhere")
    help.opened(help.link(ASK).token)
    erasure = database.lifecycle.erase("vell", "test")
    assert [(k.id, k.why) for k in erasure.kept] == [("e1", "part of an open case")]
    assert database.pipeline.event("e1") is not None and database.pipeline.event("e2") is None


def test_whoever_asked_takes_it_with_them(database: Database, writer: Writer, help: SqlHelp) -> None:
    said(writer, "e1", actor="brin")
    help.opened(help.link(ASK).token)
    assert database.lifecycle.erase("brin", "test").complete
    assert count(database, help_keeps) == 0 and database.pipeline.event("e1") is None


def test_the_latest_messages_are_kept_and_not_years_of_them(database: Database, writer: Writer, help: SqlHelp) -> None:
    said(writer, *(f"e{n}" for n in range(LATEST + 3)))
    help.opened(help.link(ASK).token)
    said(writer, "after")
    with database.sql.write() as connection:
        connection.execute(events.update().values(expires_at=0))
    database.lifecycle.retention(database.clock.now())
    assert [database.pipeline.event(f"e{n}") is None for n in range(5)] == [True, True, True, False, False]
    assert database.pipeline.event("after") is not None


def test_a_link_is_short_lived_and_the_page_behind_it_a_little_longer(help: SqlHelp, clock: FixedClock, writer: Writer) -> None:
    said(writer, "e1")
    late, used = help.link(ASK), help.link(ASK)
    help.opened(used.token)
    clock.advance(VALID + timedelta(seconds=1))
    with pytest.raises(NotFound):
        help.opened(late.token)
    assert help.opened(used.token).kept
    clock.advance(FLOW)
    with pytest.raises(NotFound):
        help.opened(used.token)


def test_a_conversation_that_never_came_to_us_is_said_so(help: SqlHelp) -> None:
    assert not help.opened(help.link(ASK).token).kept


@pytest.mark.parametrize("token", ["", "x", "a" * 8193, "é" * 60, "////", "AAAA" * 40, "=" * 8])
def test_what_is_no_token_is_over_like_any_other(database: Database, help: SqlHelp, token: str) -> None:
    with pytest.raises(NotFound) as told:
        help.opened(token)
    assert str(told.value) == "this link is over" and count(database, help_keeps) == 0


def test_a_token_that_was_changed_or_made_for_something_else_opens_nothing(database: Database, help: SqlHelp) -> None:
    token = help.link(ASK).token
    raw = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for at in (0, 5, len(raw) // 2, len(raw) - 1):
        changed = bytearray(raw)
        changed[at] ^= 1
        with pytest.raises(NotFound):
            help.opened(urlsafe_b64encode(bytes(changed)).decode())
    other = database.sealer.seal(msgspec.msgpack.encode([0, ASK]), "event:e1")
    with pytest.raises(NotFound):
        help.opened(urlsafe_b64encode(other).decode())


def test_nobody_is_reported_to_themselves(help: SqlHelp) -> None:
    for about in ((ASK.account,), (Party(account="vell"), Party(account="vell"))):
        with pytest.raises(Invalid) as wrong:
            help.link(HelpAsk(account=ASK.account, conversation="room", about=about))
        assert wrong.value.field == "about"


def test_many_taps_at_once_keep_once(database: Database, help: SqlHelp, writer: Writer) -> None:
    said(writer, "e1")
    token, troubles = help.link(ASK).token, list[BaseException]()

    def tap() -> None:
        try:
            help.opened(token)
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=tap) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == [] and count(database, help_keeps) == 1


def test_the_audit_and_the_row_name_nobody(database: Database, help: SqlHelp, writer: Writer) -> None:
    said(writer, "e1")
    help.opened(help.link(ASK).token)
    with database.sql.read() as connection:
        [entry] = connection.execute(select(audit.c.target, audit.c.detail).where(audit.c.action == "help.keep")).all()
        [row] = connection.execute(select(help_keeps)).all()
    who = {writer.name(account) for account in ("brin", "vell")}
    assert not any(name in f"{entry}{row}" for name in who)
    assert entry.target.startswith("help_") and '"events":1' in entry.detail


def test_what_is_reported_from_there_is_what_they_said_by_the_first_tap(help: SqlHelp, writer: Writer, clock: FixedClock) -> None:
    said(writer, "e1", "e2")
    said(writer, "mine", actor="brin")
    visit = help.opened(help.link(ASK).token)
    clock.advance(timedelta(seconds=5))
    said(writer, "e3", at=clock.now())
    assert help.said_by("room", ["vell"], visit.opened_at) == ["e1", "e2"]
