"""Lists of restricted terms, counts and trials, over both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from nightlight.adapters.store import Database
from nightlight.adapters.store.deterrence_tables import term_macs, trial_displays
from nightlight.adapters.store.terms import VERSIONS, TermRow
from nightlight.adapters.store.trials import TOLD_WITHIN
from nightlight.core.clock import FixedClock
from nightlight.core.deterrence import SMALL, Outcome, SearchAction, TrialPlan, TrialState
from nightlight.core.errors import Conflict, Invalid, NotFound

ONE = TermRow("ambiguous", (b"1" * 16, b"2" * 16), 1)
TWO = TermRow("abuse-material", (b"3" * 16,), 4)
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


def macs(database: Database) -> list[tuple[str, int]]:
    with database.sql.read() as connection:
        rows = connection.execute(select(term_macs.c.list, term_macs.c.version).distinct().order_by(term_macs.c.list, term_macs.c.version))
        return [(name, int(version)) for name, version in rows]


def actions(database: Database) -> list[str]:
    return [entry.action for _, entry in database.audit.entries() if entry.action.startswith(("terms.", "trial."))]


def test_versions_can_be_gone_back_to_and_are_audited(database: Database, clock: FixedClock) -> None:
    terms = database.terms
    first = terms.load("alpha", [ONE, TWO], clock.now() + timedelta(days=9), "cli:test")
    assert (first.version, first.terms, first.categories) == (1, 2, ("abuse-material", "ambiguous"))
    state = terms.state()
    assert terms.load("alpha", [TWO], None, "cli:test").version == 2
    assert terms.state() != state
    held = terms.in_force()
    assert (list(held.rows), held.longest, held.expires) == ([(b"3" * 16, "alpha", "abuse-material")], 4, {"alpha": None})
    back = terms.rollback("alpha", 1, "cli:test")
    assert (back.version, back.terms, [v.version for v in back.versions]) == (1, 2, [2, 1])
    assert len(terms.in_force().rows) == 3
    terms.rollback("alpha", 1, "cli:test")
    assert terms.load("alpha", [ONE], None, "cli:test").version == 3, "a number is never used twice"
    assert [one.name for one in terms.lists()] == ["alpha"]
    terms.remove("alpha", "cli:test")
    assert terms.lists() == [] and macs(database) == [] and terms.in_force().rows == []
    assert actions(database) == ["terms.load", "terms.load", "terms.rollback", "terms.load", "terms.remove"]
    assert database.audit.verify().ok


def test_old_versions_go(database: Database) -> None:
    for _ in range(VERSIONS + 2):
        database.terms.load("alpha", [ONE], None, "cli:test")
    assert macs(database) == [("alpha", n) for n in range(3, VERSIONS + 3)]
    with pytest.raises(NotFound):
        database.terms.rollback("alpha", 1, "cli:test")


def test_what_cannot_be_is_refused(database: Database, clock: FixedClock) -> None:
    with pytest.raises(Invalid) as caught:
        database.terms.load("alpha", [ONE], clock.now(), "cli:test")
    assert caught.value.field == "expires"
    for call in (
        lambda: database.terms.rollback("alpha", 1, "x"),
        lambda: database.terms.remove("alpha", "x"),
        lambda: database.terms.one("a"),
    ):
        with pytest.raises(NotFound):
            call()
    assert actions(database) == []


def test_an_expired_list_goes_and_is_not_gone_back_to(database: Database, clock: FixedClock) -> None:
    database.terms.load("alpha", [ONE], clock.now() + timedelta(days=1), "cli:test")
    database.terms.load("beta", [ONE], clock.now() + timedelta(days=1), "cli:test")
    database.terms.load("beta", [TWO], None, "cli:test")
    clock.advance(timedelta(days=1))
    assert database.terms.in_force().expires == {"beta": None}
    with pytest.raises(Conflict):
        database.terms.rollback("beta", 1, "cli:test")
    assert database.terms.expire(clock.now()) == 1
    assert macs(database) == [("beta", 2)] and [one.name for one in database.terms.lists()] == ["beta"]
    assert actions(database)[-1] == "terms.expire"
    assert database.terms.expire(clock.now()) == 0


def test_small_counts_are_not_told_and_old_ones_go(database: Database, clock: FixedClock) -> None:
    for _ in range(SMALL - 1):
        database.trials.met([("alpha", "ambiguous"), ("beta", "abuse-material")], SearchAction.BLOCK, None, 0)
    assert [one.count for one in database.terms.counts()] == [None, None]
    database.trials.met([("alpha", "ambiguous")], SearchAction.BLOCK, None, 0)
    first, second = database.terms.counts()
    assert (first.list, first.count, second.list, second.count) == ("alpha", SMALL, "beta", None)
    assert first.day == f"{clock.now():%Y-%m-%d}"
    assert database.terms.counts(clock.now() + timedelta(days=1)) == []
    clock.advance(timedelta(days=402))
    database.terms.expire(clock.now())
    assert database.terms.counts() == []


def test_a_trial_counts_each_display_once(database: Database, clock: FixedClock) -> None:
    trials = database.trials
    trials.create(PLAN, "cli:test")
    assert trials.running() == {"abuse-material": PLAN}
    for refused in (PLAN, TrialPlan(**{f: getattr(PLAN, f) for f in PLAN.__struct_fields__} | {"name": "other"})):
        with pytest.raises(Conflict):
            trials.create(refused, "cli:test")
    tokens = [trials.met([("alpha", "abuse-material")], SearchAction.BLOCK, PLAN, n % 2) for n in range(4)]
    assert len({token for token in tokens if token is not None and len(token) == 32}) == 4
    trials.outcome("spring", str(tokens[0]), Outcome.LEFT)
    trials.outcome("spring", str(tokens[1]), Outcome.OPENED_HELP)
    for trial, token in (("spring", tokens[0]), ("other", tokens[2]), ("spring", "0" * 32), ("spring", "\ud800")):
        with pytest.raises(NotFound):
            trials.outcome(trial, str(token), Outcome.LEFT)
    with database.sql.read() as connection:
        held = connection.execute(select(trial_displays)).all()
    assert len(held) == 2 and all(row.expires_at % 3_600_000_000 == 0 for row in held), (
        "a used token is gone, the time of the others coarse"
    )
    assert str(tokens[2]).encode() not in bytes(held[0].mac)

    assert trials.stop("spring", "cli:test").state is TrialState.STOPPED
    trials.stop("spring", "cli:test")
    assert trials.met([("alpha", "abuse-material")], SearchAction.BLOCK, PLAN, 0) is None, "another process still thought that it ran"
    trials.outcome("spring", str(tokens[2]), Outcome.LEFT)
    clock.advance(TOLD_WITHIN + timedelta(hours=1))
    with pytest.raises(NotFound):
        trials.outcome("spring", str(tokens[3]), Outcome.LEFT)
    assert trials.expire(clock.now()) == 1 and trials.expire(clock.now()) == 0
    (found,) = trials.all()
    assert found.shown == (2, 2) and found.outcomes == ({Outcome.LEFT: 2}, {Outcome.OPENED_HELP: 1})
    assert actions(database) == ["trial.create", "trial.stop"]
    for call in (lambda: trials.one("none"), lambda: trials.stop("none", "x")):
        with pytest.raises(NotFound):
            call()


def test_one_token_told_at_once_by_many_counts_once(database: Database) -> None:
    database.trials.create(PLAN, "cli:test")
    token = str(database.trials.met([], SearchAction.BLOCK, PLAN, 1))

    def tell(_: int) -> bool:
        try:
            database.trials.outcome("spring", token, Outcome.LEFT)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(tell, range(8))) == 1
    assert database.trials.one("spring").outcomes == ({}, {Outcome.LEFT: 1})


def test_an_assignment_gets_one_variant_and_all_of_them_get_each(database: Database) -> None:
    seen = [database.trials.assigned(PLAN, f"visit-{n}") for n in range(400)]
    assert seen == [database.trials.assigned(PLAN, f"visit-{n}") for n in range(400)]
    assert 150 < sum(seen) < 250
    other = TrialPlan(**{f: getattr(PLAN, f) for f in PLAN.__struct_fields__} | {"name": "other"})
    assert seen != [database.trials.assigned(other, f"visit-{n}") for n in range(400)], "trials do not share their groups"
    assert {database.trials.assigned(PLAN, None) for _ in range(100)} == {0, 1}
