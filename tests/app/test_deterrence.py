"""Searches screened by the real service, over HTTP and the command line; and that no restricted term is ever found again.

The terms are invented words.
"""

from __future__ import annotations

import io
import json
import shutil
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from rich.console import Console
from rich.traceback import Traceback
from structlog.tracebacks import ExceptionDictTransformer
from typer.testing import CliRunner

from nightlight.adapters.sealer import KeyFileSealer
from nightlight.adapters.store.engine import DATABASE_FILE
from nightlight.app.bootstrap import KEY_FILE, Nightlight, bootstrap
from nightlight.app.cli.common import Exit
from nightlight.app.settings import DeterrenceSettings, Settings
from nightlight.core.clock import FixedClock
from nightlight.core.decision import Helpline
from nightlight.core.deterrence import Hidden, Outcome, SearchAction, SearchAnswer, SearchIn, TrialPlan
from nightlight.core.errors import Busy, Conflict, Invalid, NightlightError
from nightlight.core.event import AgeBand
from nightlight.core.services import Scope
from nightlight.web import create_app
from tests.app.conftest import NOW
from tests.app.test_cli import call, lines
from tests.web.client import Client

TERMS = "zorblek\nmipto quandle\n"
WORDS = ("zorblek", "mipto", "quandle", "z0rbl3k", "snorvex", "glaumith")
VARIANTS = ("search.deterrence", "search.deterrence.help")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[tuple[Nightlight, Client]]:
    """One service for what only asks it."""
    home = prepared(tmp_path_factory.mktemp("served") / "home", migrated_file)
    own = Settings(helplines=(Helpline(name="Child line", contact="116 111", place="GB"),))
    with bootstrap(home, clock=FixedClock(NOW), settings=own) as found:
        found.deterrence.load("alpha", Hidden(TERMS.encode()), "abuse-material", None, "cli:test")
        _, key = found.keys.create("searches", [Scope.EVENTS_WRITE], "cli:test")
        yield found, Client(create_app(found.services), key)


def prepared(home: Path, migrated_file: Path) -> Path:
    """A home with a database that is up to date: every step of the schema anew costs most of a second."""
    home.mkdir(mode=0o700)
    KeyFileSealer(home / KEY_FILE)
    shutil.copy(migrated_file, home / DATABASE_FILE)
    return home


@pytest.fixture
def graph(served: tuple[Nightlight, Client]) -> Nightlight:
    return served[0]


@pytest.fixture
def client(served: tuple[Nightlight, Client]) -> Client:
    return served[1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_file: Path) -> Path:
    monkeypatch.setenv("NIGHTLIGHT_HOME", str(tmp_path / "home"))
    return prepared(tmp_path / "home", migrated_file)


def screen(graph: Nightlight, query: str, **more: Any) -> SearchAnswer:
    (found,) = graph.deterrence.screen([SearchIn(query=query, **more)])
    assert isinstance(found, SearchAnswer)
    return found


def plan(**changed: Any) -> TrialPlan:
    given = {"name": "spring", "category": "abuse-material", "variants": VARIANTS, "outcome": Outcome.LEFT}
    return TrialPlan(**given | {"baseline": 0.27, "effect": 0.13, "alpha": 0.05, "power": 0.8} | changed)


def test_a_search_is_answered_over_http_with_a_message_and_help(client: Client) -> None:
    assert client.post("/v1/search:screen", json={"query": "weather"}).json() == {"action": "none"}
    answer = client.post("/v1/search:screen", json={"query": "Z0RBL3K free", "place": "GB", "age_band": "18+"}).json()
    assert (answer["action"], answer["message"]) == ("block", "search.deterrence")
    assert [one["place"] for one in answer["helplines"][:1]] == ["GB"] and "116 111" not in str(answer["helplines"])
    child = client.post("/v1/search:screen", json={"query": "zorblek", "place": "GB", "age_band": "10-12"}).json()
    assert (child["message"], child["helplines"][0]["contact"]) == ("search.young", "116 111")
    messages = client.get("/v1/messages").json()["messages"]
    assert {answer["message"], child["message"]} <= messages.keys()


def test_many_are_answered_by_position(client: Client) -> None:
    both = client.post("/v1/search:screen", json={"searches": [{"query": "weather"}, {"query": "mipto quandle"}]}).json()
    assert [one["action"] for one in both["results"]] == ["none", "block"]


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "query"),
    ({"query": "zorblek", "searches": [{"query": "zorblek"}]}, "searches"),
    ({"searches": []}, "searches"),
    ({"searches": [{"query": "zorblek"}] * 101}, "searches"),
    ({"searches": [{"query": "zorblek"}], "place": "GB"}, "searches"),
    ({"searches": [{"query": 7}]}, "searches[0].query"),
    ({"query": "zorblek" * 100}, "query"),
    ({"query": "zorblek", "account": "kim"}, "account"),
    ({"query": "zorblek", "place": "zorblek"}, "place"),
    ({"query": "zorblek", "age_band": "zorblek"}, "age_band"),
]


def test_a_bad_search_is_refused_by_its_field_and_not_repeated(client: Client) -> None:
    for body, field in BAD:
        answer = client.post("/v1/search:screen", json=body)
        assert answer.status_code in (400, 413) and answer.json()["field"] == field, field
        assert "zorblek" not in answer.text


def test_who_may_ask(graph: Nightlight, client: Client) -> None:
    _, key = graph.keys.create("banks", [Scope.BANKS_READ], "cli:test")
    assert Client(client.app, key).post("/v1/search:screen", json={"query": "x"}).status_code == 403
    assert Client(client.app).post("/v1/search:screen", json={"query": "x"}).status_code == 401


def test_a_trial_from_display_to_report(graph: Nightlight, client: Client) -> None:
    graph.deterrence.create_trial(plan(), "cli:test")
    graph.deterrence.refresh()
    for n in range(40):
        answer = client.post("/v1/search:screen", json={"query": "zorblek", "assignment": f"visit-{n}"}).json()
        again = client.post("/v1/search:screen", json={"query": "zorblek", "assignment": f"visit-{n}"}).json()
        assert answer["message"] == again["message"] in VARIANTS and answer["display"]["token"] != again["display"]["token"]
        told = {"token": answer["display"]["token"], "outcome": "left" if n % 2 else "opened_help"}
        path = f"/v1/trials/{answer['display']['trial']}/outcomes"
        assert client.post(path, json=told).json() == {"counted": True}
        assert client.post(path, json=told).status_code == 404, "once"
    report = graph.deterrence.report("spring")
    assert sum(v.shown for v in report.variants) == 80 and sum(v.told for v in report.variants) == 40
    assert sum(v.outcomes[Outcome.LEFT] for v in report.variants) == 20
    assert client.post("/v1/trials/spring/outcomes", json={"token": "zorblek", "outcome": "left"}).status_code == 400
    child = client.post("/v1/search:screen", json={"query": "zorblek", "age_band": "13-15"}).json()
    assert "display" not in child and child["message"] == "search.young", "nothing is tried out on children"

    with pytest.raises(Conflict):
        graph.deterrence.create_trial(plan(name="summer"), "cli:test")
    graph.trials.stop("spring", "cli:test")
    graph.deterrence.refresh()
    assert screen(graph, "zorblek", age_band=AgeBand.ADULT).display is None


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "Spring time"},
        {"category": "unheard"},
        {"variants": ("search.deterrence", "search.unheard")},
        {"variants": ("help.now", "search.young")},
    ],
)
def test_a_trial_that_cannot_be_is_refused(graph: Nightlight, changed: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        graph.deterrence.create_trial(plan(**{"name": "never"} | changed), "cli:test")
    assert "never" not in {one.plan.name for one in graph.trials.all()}


def test_another_process_and_another_table(home: Path) -> None:
    with bootstrap(home) as first, bootstrap(home) as second:
        assert screen(second, "glaumith").action is SearchAction.NONE
        first.deterrence.load("beta", Hidden(b"glaumith"), "ambiguous", None, "cli:test")
        second.deterrence.refresh()
        assert screen(second, "glaumith").action is SearchAction.WARN
        first.terms.remove("beta", "cli:test")
        second.deterrence.refresh()
        assert screen(second, "glaumith").action is SearchAction.NONE
        first.deterrence.load("alpha", Hidden(b"zorblek"), "ambiguous", None, "cli:test")
    text = '[category.other]\naction = "warn"\nmessage = "search.worried"\nabout = "Something else."\n'
    (home / "own.toml").write_text(text)
    with bootstrap(home, settings=Settings(deterrence=DeterrenceSettings(table="own.toml"))) as own:
        (found,) = own.deterrence.screen([SearchIn(query="zorblek")])
        assert isinstance(found, Busy) and "category" in found.message, "a category that the table lost is no answer"
        own.deterrence.load("alpha", Hidden(b"zorblek"), "other", None, "cli:test")
        assert screen(own, "zorblek").message == "search.worried"
    with pytest.raises(Invalid):
        bootstrap(home, settings=Settings(deterrence=DeterrenceSettings(table="absent.toml")))


# -- the command line --------------------------------------------------------------------------------------------------------------


def test_lists_by_the_command_line(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text("term,category\nzorblek,\nmipto quandle,ambiguous\n")
    told = call("terms", "load", file, "--list", "alpha", "--category", "abuse-material", "--expires", "2999-01-01")
    assert "version 1 is in force, with 2 terms" in told.stdout
    (shown,) = lines(call("terms", "list", "--json"))
    assert (shown["version"], shown["terms"], shown["categories"]) == (1, 2, ["abuse-material", "ambiguous"])
    call("terms", "load", "-", "--list", "alpha", "--category", "abuse-material", stdin=b"zorblek\n")
    assert "alpha  2        2 1   1" in call("terms", "list").stdout
    assert "version 1 is in force" in call("terms", "rollback", "alpha", "1").stdout
    call("terms", "rollback", "alpha", "9", code=Exit.NOT_FOUND)
    for bad in (
        ("terms", "load", file, "--list", "Two words", "--category", "ambiguous"),
        ("terms", "load", file, "--list", "a", "--category", "unheard"),
        ("terms", "load", file, "--list", "a", "--category", "ambiguous", "--expires", "2001-01-01"),
        ("terms", "load", file, "--list", "a", "--category", "ambiguous", "--expires", "soon"),
        ("terms", "load", tmp_path / "absent", "--list", "a", "--category", "ambiguous"),
    ):
        call(*bad, code=Exit.USAGE)
    with bootstrap(home) as graph:
        for _ in range(5):
            screen(graph, "zorblek")
        screen(graph, "mipto quandle")
    told = call("terms", "counts").stdout
    assert "abuse-material  block   5" in told and "ambiguous       warn    <5" in told
    assert [one["count"] for one in lines(call("terms", "counts", "--json"))] == [5, None]
    assert call("terms", "counts", "--since", "2999-01-01").stdout.count("\n") == 1
    call("terms", "remove", "alpha")
    assert lines(call("terms", "list", "--json")) == []


def test_trials_by_the_command_line(home: Path, tmp_path: Path) -> None:
    options = ["--category", "abuse-material", "--variant", VARIANTS[0], "--variant", VARIANTS[1], "--effect", "0.13"]
    assert "206 outcomes a variant" in call("trial", "create", "spring", *options).stdout
    call("trial", "create", "spring", *options, code=Exit.CONFLICT)
    call("trial", "create", "other", *options, "--alpha", "0.9", code=Exit.USAGE)
    with bootstrap(home) as graph:
        graph.deterrence.load("alpha", Hidden(b"zorblek"), "abuse-material", None, "cli:test")
        for n in range(6):
            display = screen(graph, "zorblek").display
            assert display is not None
            graph.deterrence.outcome("spring", display.token, Outcome.LEFT if n % 2 else Outcome.SEARCHED_AGAIN)
    (found,) = lines(call("trial", "report", "spring", "--json", "--svg", tmp_path / "plot.svg"))
    assert (found["needed"], found["most"], found["advice"]) == (206, 412, "go_on")
    assert sum(v["told"] for v in found["variants"]) == 6 and sum(v["outcomes"]["left"] for v in found["variants"]) == 3
    plot = (tmp_path / "plot.svg").read_text()
    assert plot.startswith("<svg") and "Trial spring: left" in plot and "deterrence.help" in plot and 'class="bar s0"' in plot
    text = call("trial", "report", "spring").stdout
    assert "HOWEVER OFTEN LOOKED" in text and "go on: nothing is found yet" in text
    call("trial", "report", "spring", "--svg", tmp_path / "absent" / "plot.svg", code=Exit.USAGE)
    call("trial", "stop", "spring")
    (listed,) = lines(call("trial", "list", "--json"))
    assert listed["state"] == "stopped"
    assert "stopped" in call("trial", "list").stdout
    call("trial", "stop", "absent", code=Exit.NOT_FOUND)


# -- nothing is found again --------------------------------------------------------------------------------------------------------


class Breaking:
    """A reader that fails with the words in its complaint."""

    def term(self, text: str) -> Any:
        raise RuntimeError(f"cannot read {text}")

    query = term


def dumps(error: BaseException) -> str:
    """An error as every renderer at hand shows it, with the local variables of all frames but this test's own."""
    error = error.with_traceback(error.__traceback__.tb_next if error.__traceback__ else None)
    out = [repr(error), str(error), str(vars(error))]
    out += traceback.TracebackException.from_exception(error, capture_locals=True).format()
    trace = (type(error), error, error.__traceback__)
    for rich in (True, False):
        out.append(json.dumps(ExceptionDictTransformer(show_locals=True, locals_max_string=10_000, use_rich=rich)(trace), default=repr))  # type: ignore[arg-type]
    console = Console(file=io.StringIO(), width=500)
    console.print(Traceback.from_exception(*trace, show_locals=True, locals_max_string=None))  # type: ignore[arg-type]
    out.append(console.file.getvalue())  # type: ignore[attr-defined]
    return "\n".join(out)


def failed(call: Callable[[], Any]) -> BaseException:
    try:
        found = call()
    except BaseException as error:
        return error
    assert isinstance(found, BaseException), "it was to fail"
    return found


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Logs as a careless operator might set them up: everything, with tracebacks and their local variables."""
    out = io.StringIO()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(default=repr),
        ],
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    yield out
    structlog.reset_defaults()


def test_no_restricted_term_is_found_again(
    build: Callable[..., Nightlight], home: Path, tmp_path: Path, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in the database and its log, nor in what is printed, logged or audited, nor in a dump of any error with its variables."""
    graph = build(start=False)
    _, key = graph.keys.create("searches", [Scope.EVENTS_WRITE], "cli:test")
    client = Client(create_app(graph.services), key)
    shown: list[str] = []
    file = tmp_path / "given.csv"
    file.write_text(TERMS)
    bad = tmp_path / "bad.csv"
    bad.write_text("zorblek\nsnorvex,quandle\n")
    for arguments in (("load", file, "--list", "alpha"), ("load", bad, "--list", "beta")):
        result = CliRunner().invoke(_app(), ["terms", *map(str, arguments), "--category", "abuse-material"])
        shown.append(result.output)
        if isinstance(result.exception, NightlightError):
            shown.append(dumps(result.exception))
    graph.deterrence.refresh()
    assert graph.terms.one("alpha").terms == 2
    graph.deterrence.create_trial(plan(), "cli:test")
    graph.deterrence.refresh()
    for query in ("zorblek", "z0rbl3k", "snorvex glaumith", "mipto quandle", "m i p t o q u a n d l e"):
        bodies = (
            {"query": query},
            {"query": query, "assignment": "glaumith"},
            {"query": query, "unheard": 1},
            {"searches": [{"query": query}]},
        )
        shown += [client.post("/v1/search:screen", json=body).text for body in bodies]
        shown.append(repr(SearchIn(query=query)) + f"{SearchIn(query=query)!s}")
    shown.append(client.send("/v1/search:screen", b'{"query": "zorblek').text)

    # The reader fails, the database fails, the table lost a category: what comes out is rendered with every variable.
    deterrence = graph.deterrence
    with monkeypatch.context() as broken:
        broken.setattr(deterrence._hasher, "_reader", Breaking())
        errors = [failed(lambda: deterrence.screen([SearchIn(query="zorblek")])[0])]
        errors.append(failed(lambda: deterrence.load("beta", Hidden(b"zorblek"), "ambiguous", None, "cli:test")))
        shown.append(client.post("/v1/search:screen", json={"query": "zorblek"}).text)
    with monkeypatch.context() as broken:
        broken.setattr(graph.database.sql, "_writer", None)
        errors.append(failed(lambda: deterrence.load("beta", Hidden(b"zorblek"), "ambiguous", None, "cli:test")))
        uncounted = client.post("/v1/search:screen", json={"query": "zorblek"})
        shown.append(uncounted.text)
    assert uncounted.json()["action"] == "block" and "display" not in uncounted.json(), "what cannot be counted is answered all the same"
    assert len(errors) == 3 and all("Traceback" in dumps(error) or error.__traceback__ is None for error in errors)
    shown += [dumps(error) for error in errors]
    for error in errors:
        structlog.get_logger("test").error("it failed", exc_info=error)
    shown.append(logged.getvalue())
    assert all(said in shown[-1] for said in ("it failed", "could not be screened", "could not be counted"))
    shown += [repr(entry) for _, entry in graph.database.audit.entries(most=1000)]

    everything = "\n".join(shown).lower()
    for word in WORDS:
        assert word not in everything, "something that is shown holds a term"
    files = [path for path in home.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"nightlight.db", "nightlight.db-wal"} <= names, "the database and its log as they lie while it is open"
    graph.database.sql.close()
    for path in files:
        held = path.read_bytes().lower() if path.exists() else b""
        for word in WORDS:
            assert word.encode() not in held and word.encode("utf-16-le") not in held, f"{path.name} holds a term"


def test_the_search_for_terms_would_find_one() -> None:
    """The test above can fail: an error beside a query in the open shows it in every renderer."""

    def careless(query: str) -> None:
        raise RuntimeError("failed")

    assert "zorblek" in dumps(failed(lambda: careless("zorblek")))


def test_a_list_name_taken_for_a_term_is_not_repeated(graph: Nightlight) -> None:
    error = failed(lambda: graph.deterrence.load("Zorblek Mipto", Hidden(b"x"), "ambiguous", None, "cli:test"))
    assert isinstance(error, Invalid) and "orblek" not in error.message


def _app() -> Any:
    from nightlight.app.cli import app

    return app
