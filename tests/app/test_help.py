"""The whole graph: a first tap, a report that points at what was said, and what readiness says of the helplines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.serving import web_config
from nightlight.app.settings import Settings
from nightlight.core.errors import Invalid
from nightlight.core.event import Channel, Message, Party
from nightlight.core.help import HelpAsk, HelpReport
from nightlight.core.helplines import Need
from nightlight.protect.helplines import helplines

KIM, LEE = Party(account="kim", place="GB"), Party(account="lee", place="GB")
ASK = HelpAsk(account=LEE, conversation="room", about=(KIM,))
REPORT = HelpReport(once="ab" * 16)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nightlight]:
    said = msgspec.convert({"help_page": {"without": ["gb-samaritans"], "checked": {"gb-childline": date(2026, 11, 23)}}}, Settings)
    with bootstrap(tmp_path_factory.mktemp("help") / "home", settings=said, start=True) as opened:
        at = opened.clock.now() - timedelta(minutes=1)
        events = [Message(id=f"e{n}", at=at, actor=KIM, targets=(LEE,), channel=Channel(id="room"), text="zantle") for n in range(2)]
        for answer in opened.events.submit_many([opened.events.decode(msgspec.json.encode(e)) for e in events]).result(60):
            assert not isinstance(answer, Exception)
        yield opened


def test_a_report_by_a_link_points_at_what_was_said_and_is_one_however_often_it_is_sent(graph: Nightlight) -> None:
    help = graph.services.help
    assert help is not None
    token = help.link(ASK).token
    assert help.opened(token).kept
    first = help.report(token, REPORT)
    assert help.report(token, REPORT) == first and [s.value for s in first.items] == ["server_held"] * 2
    kim = graph.pseudonymiser("account", "kim")
    [case] = [c for c in graph.database.cases.cases() if c.actor == kim]
    assert {"e0", "e1"} <= set(case.events) and graph.user_reports.told(first.code).message == "report.thanks"


def test_without_a_link_it_is_by_name_and_a_name_is_one_line_of_plain_letters(graph: Nightlight) -> None:
    help = graph.services.help
    assert help is not None
    for name in ("", "  ", "a\u202eb", "a\nb"):
        with pytest.raises(Invalid) as wrong:
            help.report(None, HelpReport(once="cd" * 16, name=name))
        assert wrong.value.field == "name"
    told = help.report(None, HelpReport(once="cd" * 16, name="osk"))
    assert [s.value for s in told.items] == ["unverified"]


def test_an_operators_word_on_helplines_is_followed_and_readiness_says_what_is_unconfirmed(graph: Nightlight) -> None:
    ids = {e.id for e in graph.services.helplines.entries}
    assert "gb-samaritans" not in ids and graph.services.helplines.lines("GB", Need.CHILD)[0].checked == date(2026, 11, 23)
    [check] = [c for c in graph.status.ready() if c.name == "helplines"]
    assert not check.ok and not check.blocking and check.detail.startswith(f"{len(helplines().entries) - 2} of {len(ids)} ")


def test_the_settings_reach_the_page() -> None:
    said = msgspec.convert({"place": "ES", "help_page": {"page": "off", "reports": "linked"}}, Settings)
    family = web_config(said).family
    assert (family.help, family.help_reports, family.place) == ("off", "linked", "ES")


def test_a_misspelt_setting_is_told(tmp_path: Path) -> None:
    from nightlight.app.settings import load

    (tmp_path / "nightlight.toml").write_text("[help_page]\nkeep_day = 3\n")
    with pytest.raises(Invalid, match="keep_days"):
        load(tmp_path)
