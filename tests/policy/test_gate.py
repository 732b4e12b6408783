from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.errors import Invalid
from nightlight.core.event import Channel, ChannelKind, EventBase, Message, Party, ReportCategory, Search, UserReport
from nightlight.core.gate import DataKind, Ruling
from nightlight.policy.gate import DEMO_PLACE, JurisdictionGate, load_table, shipped_table
from tests.strategies import events

AT = datetime(2026, 3, 1, tzinfo=UTC)
PLACES = ("GB", "US", "US-CA", "DE", "EU", "FR", "JP", "XN", None)


def said(*places: str | None, kind: ChannelKind = ChannelKind.DIRECT, encrypted: bool = False) -> Message:
    actor, *targets = (Party(account=f"a{i}", place=place) for i, place in enumerate(places))
    return Message(id="e", at=AT, actor=actor, targets=tuple(targets), channel=Channel(id="c", kind=kind, encrypted=encrypted), text="plim")


def reported(*places: str | None) -> UserReport:
    actor, *targets = (Party(account=f"a{i}", place=place) for i, place in enumerate(places))
    return UserReport(id="e", at=AT, actor=actor, targets=tuple(targets), category=ReportCategory.OTHER)


def test_private_messages_are_not_read_where_one_party_is_in_the_european_union() -> None:
    gate = JurisdictionGate()
    for places in (("GB", "DE"), ("FR", "US"), ("EU", "GB")):
        permission = gate.rule(said(*places))
        assert DataKind.CONTENT not in permission.permitted
        assert any(cell.startswith("content/direct/") and cell.endswith("forbidden") for cell in permission.cells)
    assert DataKind.CONTENT in gate.rule(said("GB", "US")).permitted


def test_public_channels_in_the_european_union_may_be_screened() -> None:
    permission = JurisdictionGate().rule(said("DE", "GB", kind=ChannelKind.GAME))
    assert permission.permitted == {DataKind.CONTENT, DataKind.TRAFFIC, DataKind.ACCOUNT}


@pytest.mark.parametrize("place", ["GB", "US", "BR", "DE", "XN"])
@pytest.mark.parametrize("kind", list(ChannelKind))
def test_encrypted_content_is_never_read(place: str, kind: ChannelKind) -> None:
    permission = JurisdictionGate().rule(said(place, kind=kind, encrypted=True))
    assert DataKind.CONTENT not in permission.permitted
    assert f"content/{kind}+encrypted/{place}: forbidden" in permission.cells


def test_an_unknown_place_permits_nothing_and_shows_in_readiness() -> None:
    gate = JurisdictionGate()
    assert gate.rule(said("GB", None)).permitted == frozenset()
    assert "content/direct/unknown: undecided" in gate.undecided()


def test_a_place_nobody_decided_permits_nothing_and_shows_in_readiness() -> None:
    gate = JurisdictionGate()
    assert gate.undecided() == []
    assert gate.rule(said("JP", "GB")).permitted == frozenset()
    assert gate.undecided() == [f"{kind}/direct/JP: undecided" for kind in ("account", "content", "traffic")]


def test_what_a_user_reports_may_be_read_even_from_an_unknown_place() -> None:
    permission = JurisdictionGate().rule(reported(None, "DE"))
    assert permission.allows((DataKind.CONTENT, DataKind.TRAFFIC, DataKind.ACCOUNT), reported=True)
    assert DataKind.CONTENT not in permission.permitted  # it is ruled as reported, and only as that
    assert len(permission.cells) == 1


def test_a_cell_may_forbid_even_what_is_reported() -> None:
    table = load_table(CELL.format(data="reported", places="JP", ruling="forbidden"), "t.toml")
    assert JurisdictionGate(table).rule(reported("JP")).permitted == frozenset()
    assert DataKind.REPORTED in JurisdictionGate(table).rule(reported("GB")).permitted  # undecided stops scanning, not reading


CELL = """
version = "1"
[regions]
EU = ["DE"]
[[cell]]
data = ["{data}"]
places = ["{places}"]
ruling = "{ruling}"
basis = "Invented act"
reviewed = 2026-01-01
"""


def test_the_home_of_the_operator_stands_in_for_a_place_that_is_not_given() -> None:
    table = load_table(
        CELL.format(data="content", places="JP", ruling="permitted").replace('version = "1"', 'version = "1"\nhome = "JP"'), "t"
    )
    assert DataKind.CONTENT in JurisdictionGate(table).rule(said(None, "JP")).permitted
    assert DataKind.CONTENT not in JurisdictionGate(table, home="DE").rule(said(None, "JP")).permitted
    assert DataKind.CONTENT in JurisdictionGate(home=DEMO_PLACE).rule(said(None, None)).permitted


def test_a_subdivision_falls_under_its_country_and_a_region_under_its_members() -> None:
    table = load_table(CELL.format(data="content", places="EU", ruling="permitted"), "t")
    gate = JurisdictionGate(table)
    for place in ("DE", "DE-BY", "EU"):
        assert DataKind.CONTENT in gate.rule(said(place)).permitted, place
    assert DataKind.CONTENT not in gate.rule(said("FR")).permitted


def test_a_specific_cell_never_softens_a_stricter_one() -> None:
    permitted = CELL.format(data="content", places="GB", ruling="permitted")
    both = CELL.format(data="content", places="*", ruling="forbidden") + permitted[permitted.index("[[cell]]") :]
    gate = JurisdictionGate(load_table(both, "t"))
    assert DataKind.CONTENT not in gate.rule(said("GB")).permitted


def test_cells_of_another_purpose_do_not_rule() -> None:
    table = load_table(CELL.format(data="content", places="GB", ruling="permitted") + 'purpose = "advertising"\n', "t")
    assert DataKind.CONTENT not in JurisdictionGate(table).rule(said("GB")).permitted


def test_what_nobody_confirmed_is_listed_and_says_what_it_rests_on() -> None:
    gate = JurisdictionGate()
    gate.rule(said("GB", "GB"))
    gate.rule(said("XN", "XN"))
    assert "content/direct/GB: permitted" in gate.unconfirmed()
    assert not any("/XN:" in cell for cell in gate.unconfirmed())
    assert "Online Safety Act" in gate.basis("content/direct/GB: permitted")


def test_events_without_a_channel_are_ruled_as_the_service_itself() -> None:
    search = Search(id="e", at=AT, actor=Party(account="a", place="DE"), text="plim")
    assert "content/service/DE: permitted" in JurisdictionGate().rule(search).cells


@settings(deadline=None)
@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=5), st.sampled_from(PLACES), st.sampled_from(ChannelKind))
def test_one_more_party_never_permits_more(places: list[str | None], more: str | None, kind: ChannelKind) -> None:
    gate = JurisdictionGate()
    assert gate.rule(said(*places, more, kind=kind)).permitted <= gate.rule(said(*places, kind=kind)).permitted


@settings(deadline=None)
@given(st.lists(events(), min_size=1, max_size=8))
def test_remembered_rulings_are_those_of_a_fresh_gate(many: list[EventBase]) -> None:
    warm = JurisdictionGate()
    for event in many:
        warm.rule(event)
    for event in many:
        assert warm.rule(event) == JurisdictionGate().rule(event)
        kinds = 1 if isinstance(event, UserReport) else 3
        assert len(warm.rule(event).cells) == kinds
        assert all(cell.rsplit(": ", 1)[1] in [r.value for r in Ruling] for cell in warm.rule(event).cells)


def test_every_shipped_cell_says_what_it_rests_on_and_when_it_was_looked_at() -> None:
    table = shipped_table()
    assert table.home is None  # nobody's place is assumed for them
    assert all(len(cell.basis) > 20 and cell.reviewed.year >= 2026 for cell in table.cell)
    assert len(table.regions["EU"]) == 27


@pytest.mark.parametrize(
    ("broken", "line", "says"),
    [
        (CELL.format(data="contents", places="GB", ruling="permitted"), 6, "Invalid enum value 'contents'"),
        (CELL.format(data="content", places="GB", ruling="allowed"), 8, "Invalid enum value 'allowed'"),
        (CELL.format(data="content", places="England", ruling="permitted"), 7, "no place"),
        (CELL.format(data="content", places="GB", ruling="permitted") + 'chanels = ["direct"]\n', 11, "chanels"),
        (CELL.format(data="content", places="GB", ruling="permitted") + 'channels = ["lobby"]\n', 11, "'lobby' is not one of"),
        (CELL.format(data="content", places="GB", ruling="permitted").replace('["content"]', "[]"), 6, "empty"),
        (CELL.format(data="content", places="GB", ruling="permitted").replace('["DE"]', '["Germany"]'), 4, "Germany"),
    ],
)
def test_a_broken_table_is_refused_by_line(broken: str, line: int, says: str) -> None:
    with pytest.raises(Invalid) as refused:
        load_table(broken, "table.toml")
    assert says in str(refused.value)
    if "chanels" not in says:
        assert str(refused.value).startswith(f"table.toml:{line}: ")


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(Invalid, match="not TOML"):
        load_table("version = ", "table.toml")


def test_memory_does_not_grow_for_ever() -> None:
    gate = JurisdictionGate()
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    for i in range(6000):
        gate.rule(said(f"US-{letters[i % 36]}{letters[i // 36 % 36]}{letters[i // 1296]}"))
    assert len(gate._known) <= 4096
    assert len(gate._met) <= 4096
