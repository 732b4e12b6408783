"""Restricted terms as keyed hashes, the table of answers, and the report of a trial. The terms are invented words."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from nightlight.core.decision import Helpline
from nightlight.core.deterrence import Hidden, Outcome, Readings, SearchAction, Trial, TrialPlan, TrialState
from nightlight.core.errors import Invalid
from nightlight.core.event import AgeBand
from nightlight.protect import LANGUAGES, catalogue
from nightlight.protect.deterrence import Hasher, Snapshot, load_table, read_terms, report_on, shipped_table
from nightlight.protect.deterrence.table import helplines_for, shipped_text
from nightlight.protect.deterrence.terms import Met, matches
from nightlight.protect.deterrence.trials import Advice, check_plan
from nightlight.protect.helplines import helplines
from nightlight.senses.text.readings import TermForms

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEY = b"k" * 32
HASHER = Hasher(KEY, TermForms())
TERMS = b"zorblek\nmipto quandle\n"
TABLE = shipped_table(catalogue()["en"])


def snapshot(raw: bytes = TERMS, list_: str = "alpha", until: datetime | None = None, key: bytes = KEY) -> Snapshot:
    entries = read_terms(Hidden(raw), Hasher(key, TermForms()), "abuse-material", TABLE.category)
    rows = [(mac, list_, entry.category) for entry in entries for mac in entry.macs]
    return Snapshot(rows, max(entry.words for entry in entries), {list_: until})


def dump(error: BaseException) -> str:
    """An error with all its causes and the local variables of every frame but this test's own."""
    below = error.__traceback__.tb_next if error.__traceback__ else None
    return "".join(traceback.TracebackException(type(error), error, below, capture_locals=True).format())


def met(query: str, within: Snapshot | None = None, now: datetime = NOW) -> bool:
    found = matches(within or snapshot(), HASHER, Hidden(query), now)
    assert found is not None
    return bool(found)


@pytest.mark.parametrize(
    "query",
    [
        *("zorblek", "free ZORBLEK pictures", "z0rbl3k", "zorb1ek", "z o r b l e k", "zor-blek", "zoooorblek", "z.o.r.b.l.e.k!"),
        *(
            "\uff5a\uff4f\uff52\uff42\uff4c\uff45\uff4b",
            "z\u043erbl\u0435k",
            "zor\u200bblek",
            "z\u00f3rbl\u00e9k",
            "#zorblek_",
            "z\U0001f600orblek",
        ),
        *("mipto  quandle", "Mipto, quandle?", "miptoquandle", "m1pto qu@ndle", "m i p t o q u a n d l e", "the mipto\nquandle again"),
    ],
)
def test_a_term_is_met_however_it_is_disguised(query: str) -> None:
    assert met(query)


@pytest.mark.parametrize(
    "query", ["", "mipto", "quandle mipto", "quandle", "weather tomorrow", "zorb lek", "zorbleks", "2014", "mipto the quandle"]
)
def test_other_searches_meet_nothing(query: str) -> None:
    assert not met(query)


def test_an_ordinary_word_is_not_met_by_its_likeness() -> None:
    within = snapshot(b"ballol\n")
    assert met("ballol", within) and met("ba1lol", within)
    assert not met("bailoi", within) and not met("balol", within), "skeletons are for words that look disguised"


def test_another_key_meets_nothing_and_a_form_answers_for_no_other() -> None:
    assert not met("zorblek", snapshot(key=b"o" * 32))
    entry = HASHER.entry("zorblek", "c")
    assert entry is not None and len(entry.macs) == len(set(entry.macs)) == 3
    assert all(len(mac) == 16 for mac in entry.macs)
    short = HASHER.entry("zor", "c")
    assert short is not None and len(short.macs) == 2


def test_a_list_that_expired_meets_nothing() -> None:
    within = snapshot(until=NOW)
    assert met("zorblek", within, NOW - timedelta(seconds=1))
    assert not met("zorblek", within, NOW)


def test_the_list_and_the_category_are_told_and_nothing_else() -> None:
    assert matches(snapshot(), HASHER, Hidden("zorblek mipto quandle"), NOW) == (Met("alpha", "abuse-material"),)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "no term"),
        (b"# zorblek\n\n", "no term"),
        (b"zorblek\n!!!\n", "line 2 holds no word"),
        (b"a b c d e f g h i\n", "line 1 holds no word, or more than 8"),
        (b"zorblek\nmipto,quandle\n", "line 2 has more columns"),
        (b"ok\n\xffzorblek\n", "line 2 is not UTF-8"),
        (b"term,category\nzorblek,unheard\n", "line 2: the table has no such category"),
        (b"term,zorblek\n", "line 1: the columns"),
        (b"z" * 201, "longer than 200"),
        (b'"' + b"zorblek\n" * 20_000, "cannot be read"),
        (b"x" * ((8 << 20) + 1), "larger than"),
    ],
)
def test_a_bad_list_is_told_by_its_line_and_never_by_its_words(raw: bytes, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_terms(Hidden(raw), HASHER, "abuse-material", TABLE.category)
    assert told in caught.value.message and caught.value.field == "terms"
    assert "zorblek" not in dump(caught.value)


def test_a_list_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightlight.protect.deterrence.terms.MOST_TERMS", 2)
    assert len(read_terms(Hidden(b"a1\na2\na1\n"), HASHER, "ambiguous", TABLE.category)) == 2
    with pytest.raises(Invalid, match="more than 2"):
        read_terms(Hidden(b"a1\na2\na3\n"), HASHER, "ambiguous", TABLE.category)


def test_columns_quotes_and_repetitions() -> None:
    raw = b'\xef\xbb\xbfcategory,term\nambiguous,zorblek\n,"vex, loomar"\n,zorblek\nambiguous,ZORBLEK\n'
    entries = read_terms(Hidden(raw), HASHER, "abuse-material", TABLE.category)
    assert [(e.category, e.words) for e in entries] == [("ambiguous", 1), ("abuse-material", 2), ("abuse-material", 1)]


class Failing:
    """A reader that fails with the words in its complaint, and in the frames below."""

    def term(self, text: str) -> Any:
        raise RuntimeError(f"cannot read {text}")

    def query(self, text: str) -> Readings:
        raise RuntimeError(f"cannot read {text}")


def test_a_failure_carries_no_words() -> None:
    failing = Hasher(KEY, Failing())
    assert matches(snapshot(), failing, Hidden("zorblek"), NOW) is None
    with pytest.raises(Invalid) as caught:
        read_terms(Hidden(TERMS), failing, "abuse-material", TABLE.category)
    shown = dump(caught.value)
    assert "RuntimeError" in shown and "raw = <Hidden>" in shown and "zorblek" not in shown


# -- the table ---------------------------------------------------------------------------------------------------------------------


def test_the_table_that_ships_names_messages_of_every_language() -> None:
    for language in LANGUAGES:
        load_table(shipped_text(), "deterrence.toml", catalogue()[language])
    assert all(one.about and one.action is not SearchAction.NONE for one in TABLE.category.values())


def test_the_strongest_answers() -> None:
    assert TABLE.strongest({"ambiguous", "abuse-advice"}) == "abuse-advice"
    assert TABLE.strongest({"abuse-advice", "abuse-material"}) == "abuse-material", "the first of its strength"
    assert TABLE.strongest({"own-thoughts", "ambiguous"}) == "ambiguous"
    assert TABLE.strongest({"unheard"}) is None and TABLE.strongest(set()) is None


def test_a_child_reads_words_for_a_child_and_finds_help_for_one() -> None:
    own = (Helpline(name="Our own line", contact="116 111", place="GB"),)
    for band in AgeBand:
        found = {one.name for one in helplines_for(band, "GB-SCT", own, helplines())}
        young, worried = {"Our own line", "Childline"} <= found, any(name.startswith("Stop It Now") for name in found)
        if band.is_minor:
            assert TABLE.message("abuse-material", band) == "search.young" and young and not worried
        else:
            assert TABLE.message("abuse-material", band) == "search.deterrence" and worried
            assert young is (band is not AgeBand.ADULT)
    there = helplines_for(AgeBand.ADULT, "GB", own, helplines())
    assert there[0].place == "GB" and {one.place for one in there} == {"GB", None}, "those of the place first"
    assert {one.place for one in helplines_for(AgeBand.ADULT, "JP", own, helplines())} == {None}
    assert "Our own line" not in {one.name for one in helplines_for(AgeBand.A10_12, "US", own, helplines())}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('action = "block"', 'action = "report"', "category"),
        ('message = "search.deterrence"', 'message = "search.unheard"', "search.unheard"),
        ("[category.ambiguous]", "[category.Ambiguous]", "category"),
        ('about = "', 'abuot = "', "abuot"),
        ("[category.ambiguous]", "[category.ambiguous", "toml"),
    ],
)
def test_a_wrong_table_is_refused(old: str, new: str, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        load_table(shipped_text().replace(old, new, 1), "deterrence.toml", catalogue()["en"])
    assert told in f"{caught.value.field} {caught.value.message}"


# -- trials ------------------------------------------------------------------------------------------------------------------------

PLAN = TrialPlan(
    name="spring",
    category="abuse-material",
    variants=("search.deterrence", "search.deterrence.help"),
    outcome=Outcome.LEFT,
    baseline=0.27,
    effect=0.13,
    alpha=0.05,
    power=0.8,
)


def trial(left: tuple[int, ...], told: tuple[int, ...], shown: tuple[int, ...] | None = None, plan: TrialPlan = PLAN) -> Trial:
    outcomes = tuple({Outcome.LEFT: x, Outcome.SEARCHED_AGAIN: n - x} for x, n in zip(left, told, strict=True))
    at = {"created_at": NOW, "created_by": "cli:test", "stopped_at": None, "stopped_by": None}
    return Trial(plan=plan, state=TrialState.RUNNING, shown=shown or told, outcomes=outcomes, **at)


def test_the_report_says_what_the_counts_say() -> None:
    found = report_on(trial((81, 160), (300, 300)))
    assert (found.needed, found.most, found.advice) == (206, 412, Advice.STOP_DIFFERENT)
    (one,) = found.comparisons
    assert one.differs and one.difference == pytest.approx(79 / 300) and one.p < 0.001
    assert one.always_valid[0] < one.looked_once[0] < 79 / 300 < one.looked_once[1] < one.always_valid[1]
    assert found.variants[0].share == 0.27 and found.variants[0].outcomes[Outcome.SEARCHED_AGAIN] == 219
    assert found.warnings == ()


def test_it_goes_on_until_the_planned_number_and_then_ends() -> None:
    assert report_on(trial((27, 30), (100, 100))).advice is Advice.GO_ON
    assert report_on(trial((111, 115), (412, 412))).advice is Advice.STOP_NONE_FOUND
    assert report_on(trial((111, 115), (412, 411))).advice is Advice.GO_ON
    empty = report_on(trial((0, 0), (0, 0)))
    assert empty.advice is Advice.GO_ON and empty.comparisons[0].difference is None and empty.variants[0].share is None


def test_outcomes_that_stay_away_and_chance_that_is_none_are_told() -> None:
    (untold,) = report_on(trial((27, 30), (100, 200), (210, 205))).warnings
    assert "untold" in untold
    assert any("its share" in one for one in report_on(trial((90, 30), (300, 100))).warnings)


def test_several_variants_share_the_error_rate() -> None:
    plan = replace(PLAN, variants=("search.deterrence", "search.deterrence.help", "search.deterrence.law"))
    assert check_plan(plan) > check_plan(PLAN)
    counts = ((60, 92), (200, 200))
    two = report_on(trial(*counts)).comparisons[0]
    three = report_on(trial((60, 92, 60), (200, 200, 200), plan=plan)).comparisons
    width = two.always_valid[1] - two.always_valid[0]
    assert three[0].always_valid[1] - three[0].always_valid[0] > width and len(three) == 2


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("variants", ("search.deterrence",)),
        ("variants", ("search.deterrence", "search.deterrence")),
        ("alpha", 0.5),
        ("alpha", 0.0),
        ("power", 0.3),
        ("effect", 0.001),
        ("effect", 0.9),
    ],
)
def test_a_plan_that_cannot_work_is_refused(field: str, value: Any) -> None:
    with pytest.raises(Invalid) as caught:
        check_plan(replace(PLAN, **{field: value}))
    assert caught.value.field == field
