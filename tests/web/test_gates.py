"""The gates over HTTP, on a whole service: what is answered, who may ask, and that what is known reads like an age."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.clock import FixedClock
from nightlight.core.errors import Invalid
from nightlight.core.gates import MAX_ASKED, MAX_OTHERS
from nightlight.core.services import Scope
from nightlight.web import create_app
from tests.adapters.works import START, Writer
from tests.web.client import Client, problem, service

CHILD = {"account": "brin", "age_band": "13-15", "assurance": "estimated", "place": "GB"}
ADULT = {"account": "vell", "age_band": "18+", "assurance": "verified", "place": "GB"}
STRANGER = {"account": "zant", "age_band": "18+", "assurance": "self_declared", "place": "GB"}
GATES = ("contacts", "gifts", "groups", "recommendations", "visibility")
OPEN, ASK, NOT = ({"outcome": o, "code": c} for o, c in (("allow", "open"), ("limit", "ask_first"), ("refuse", "not_available")))


@pytest.fixture(scope="module")
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory, clock: FixedClock) -> Iterator[Nightlight]:
    with bootstrap(Path(tmp_path_factory.mktemp("gates")), settings=Settings(), clock=clock) as made:
        yield made


def client(graph: Nightlight, *scopes: Scope) -> Client:
    _, key = graph.keys.create("test", scopes or (Scope.GATES_ASK, Scope.TRUST_WRITE), "test", rate_per_minute=1_000_000)
    return Client(create_app(graph.services), key)


@pytest.fixture(scope="module")
def http(graph: Nightlight) -> Client:
    return client(graph, Scope.GATES_ASK, Scope.TRUST_WRITE, Scope.EVENTS_WRITE)


def ask(http: Client, gate: str, *asked: dict[str, Any]) -> Any:
    answer = http.post(f"/v1/{gate}:screen", json={"asked": list(asked)})
    assert answer.status_code == 200, answer.text
    return answer.json()


def question(actor: dict[str, Any], target: dict[str, Any], relation: str = "stranger", **more: Any) -> dict[str, Any]:
    return {"actor": actor, "target": target, "relation": relation, **more}


def test_each_gate_answers_by_position(http: Client) -> None:
    family, stranger = question(ADULT, CHILD, "family"), question(STRANGER, CHILD)
    assert ask(http, "contacts", family, stranger)["results"] == [OPEN, NOT]
    assert ask(http, "gifts", stranger, family)["results"] == [NOT, OPEN]
    assert ask(http, "groups", {**family, "others": []}, family)["results"] == [OPEN, NOT]
    grown = question(ADULT, STRANGER)
    assert ask(http, "recommendations", family, grown, stranger) == {"results": [NOT, OPEN, NOT], "allowed": [1]}
    seen = [question(ADULT, CHILD, "family", what=what) for what in ("rank", "location")]
    assert ask(http, "visibility", *seen)["results"] == [OPEN, ASK]
    with_others = question(CHILD, {**CHILD, "account": "kim"}, "family", others=[{"party": STRANGER, "relation": "stranger"}])
    assert ask(http, "groups", with_others)["results"] == [NOT]


def test_what_is_known_reads_like_an_age_and_ends_with_its_limit(graph: Nightlight, http: Client, clock: FixedClock) -> None:
    by_age = http.post("/v1/contacts:screen", json={"asked": [question({**STRANGER, "account": "xan"}, CHILD)]})
    family = question({**ADULT, "account": "known"}, CHILD, "family")
    assert ask(http, "contacts", family)["results"] == [OPEN]
    graph.database.pipeline.commit(Writer(graph.database).full("g1", actor="known", target="brin", at=clock.now()))
    by_limit = http.post("/v1/contacts:screen", json={"asked": [family]})
    assert (by_limit.content, by_limit.status_code) == (by_age.content, by_age.status_code)
    assert dict(by_limit.headers).keys() == dict(by_age.headers).keys()
    back = question(CHILD, {**ADULT, "account": "known"}, "family")
    assert ask(http, "contacts", back, question({**ADULT, "account": "known"}, STRANGER))["results"] == [NOT, OPEN]
    clock.advance(timedelta(hours=25))  # the limit has lapsed; what was assessed has hardly faded
    assert ask(http, "contacts", family)["results"] == [NOT]
    clock.advance(timedelta(days=90))
    assert ask(http, "contacts", family)["results"] == [OPEN]


def test_two_who_paired_are_trusted_in_every_question_until_one_ends_it(http: Client) -> None:
    brin, kim, friend = ({**CHILD, "place": "BR", "account": name} for name in ("brin", "kim", "max"))
    plain = question(brin, kim)
    assert ask(http, "contacts", plain)["results"] == [NOT]
    offered = http.post("/v1/trusted-contacts:offer", json={"party": kim}).json()
    paired = http.post("/v1/trusted-contacts:accept", json={"party": brin, "code": offered["code"].lower()}).json()
    assert paired == {"state": "paired", "other": "kim"}
    assert ask(http, "contacts", plain, question(kim, brin, "contact"))["results"] == [OPEN, OPEN]
    group = question(kim, friend, "family", others=[{"party": brin}])
    assert ask(http, "groups", group)["results"] == [NOT], "brin and max are nothing to each other"
    group = question(friend, kim, "family", others=[{"party": brin}])
    assert ask(http, "groups", group)["results"] == [OPEN], "but brin is kim's trusted contact"
    listed = http.get("/v1/accounts/brin/trusted-contacts").json()["contacts"]
    assert [c["account"] for c in listed] == ["kim"]
    assert http.post("/v1/trusted-contacts:end", json={"account": "brin", "other": "kim"}).json() == {"ended": True}
    assert ask(http, "contacts", plain)["results"] == [NOT]


def test_an_adult_and_a_child_pair_only_with_a_known_age_and_a_guardian(http: Client) -> None:
    def pair(adult: dict[str, Any], *, agreed: bool) -> Any:
        code = http.post("/v1/trusted-contacts:offer", json={"party": adult}).json()["code"]
        body = {"party": CHILD, "code": code, "guardian_agreed": agreed}
        return http.post("/v1/trusted-contacts:accept", json=body).json()["state"]

    adult = {**ADULT, "account": "coach"}
    assert pair(adult, agreed=False) == pair({**adult, "assurance": "estimated"}, agreed=True) == "not_available"
    assert pair(adult, agreed=True) == "paired"
    assert ask(http, "contacts", question(adult, CHILD, "contact"))["results"] == [OPEN]


def test_the_scope_opens_what_it_names_and_nothing_else(graph: Nightlight) -> None:
    gates, trust = client(graph, Scope.GATES_ASK), client(graph, Scope.TRUST_WRITE)
    none = client(graph, Scope.EVENTS_WRITE, Scope.SAFETY_READ, Scope.ADMIN)
    for gate in GATES:
        extra = {"what": "rank"} if gate == "visibility" else {}
        body = {"asked": [question(ADULT, CHILD, **extra)]}
        assert gates.post(f"/v1/{gate}:screen", json=body).status_code == 200
        problem(trust.post(f"/v1/{gate}:screen", json=body), 403, "denied")
        problem(none.post(f"/v1/{gate}:screen", json=body), 403, "denied")
    problem(gates.post("/v1/trusted-contacts:offer", json={"party": CHILD}), 403, "denied")
    problem(gates.get("/v1/accounts/brin/trusted-contacts"), 403, "denied")
    problem(trust.get("/v1/protections"), 403, "denied")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"asked": []}, "asked"),
        ({"asked": [question(ADULT, {**CHILD, "age_band": "12"})]}, "asked[0].target.age_band"),
        ({"asked": [question(ADULT, CHILD, "boss")]}, "asked[0].relation"),
        ({"asked": [question(ADULT, {**CHILD, "place": "gb"})]}, "asked[0].target.place"),
        ({"asked": [question(ADULT, CHILD), question(ADULT, ADULT)]}, "asked[1].target.account"),
        ({"asked": [question(ADULT, CHILD, why="x")]}, "why"),
        ({"asked": [question(ADULT, {**CHILD, "account": ""})]}, "account"),
        ([], None),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_field(http: Client, body: Any, field: str | None) -> None:
    said = problem(http.post("/v1/contacts:screen", json=body), 400, "invalid")
    assert field is None or field in str(said)


def test_hostile_names_and_large_groups(http: Client) -> None:
    names = ["'; drop table limits; --", "🦊" * 200, " ", "p_" + "a" * 20]
    asked = [question({**ADULT, "account": name}, {**CHILD, "account": f"{n}"}) for n, name in enumerate(names)]
    assert ask(http, "contacts", *asked)["results"] == [NOT] * len(names)
    many = [{"party": {**CHILD, "account": f"c{n}"}, "relation": "contact"} for n in range(MAX_OTHERS)]
    assert ask(http, "groups", question(CHILD, {**CHILD, "account": "kim"}, "contact", others=many))["results"] == [ASK]
    body = {"asked": [question(CHILD, {**CHILD, "account": "kim"}, others=[*many, many[0]])]}
    problem(http.post("/v1/groups:screen", json=body), 413, "too_large")
    body = {"asked": [question(ADULT, CHILD)] * (MAX_ASKED + 1)}
    problem(http.post("/v1/contacts:screen", json=body), 413, "too_large")


@pytest.mark.parametrize("mark", ["\x00", "\x1b", "\x9b", "\u2028", "\u202e", "\u2066"])
def test_an_id_with_a_mark_that_nobody_sees_is_nobody(http: Client, mark: str) -> None:
    """It would be an account of whom nothing is known, while what a person reads is the name of one that is limited."""
    odd = {**CHILD, "account": f"kno{mark}wn"}
    bad = [
        ("contacts:screen", {"asked": [question(ADULT, CHILD), question(ADULT, odd)]}, "asked[1].target.account"),
        ("contacts:screen", {"asked": [question(odd, ADULT)]}, "asked[0].actor.account"),
        ("groups:screen", {"asked": [question(ADULT, CHILD, others=[{"party": odd}])]}, "asked[0].others[0].party.account"),
        ("trusted-contacts:offer", {"party": odd}, "party.account"),
        ("trusted-contacts:accept", {"party": odd, "code": "AAAA-AAAA"}, "party.account"),
        ("user-reports", {"id": "r1", "category": "other", "about": [CHILD, odd]}, "about[1].account"),
        ("user-reports", {"id": "r1", "category": "other", "about": [CHILD], "reporter": odd}, "reporter.account"),
        ("user-reports", {"id": "r1", "category": "other", "about": [CHILD], "conversation": f"a{mark}b"}, "conversation"),
        ("user-reports", {"id": f"r{mark}", "category": "other", "about": [CHILD]}, "id"),
    ]
    for path, body, field in bad:
        said = problem(http.post(f"/v1/{path}", json=body), 400, "invalid")
        assert said["field"] == field and mark not in str(said)


def test_protections_by_age_place_and_language(http: Client) -> None:
    every = http.get("/v1/protections").json()
    assert every["place"] is None and {p["age_band"] for p in every["protections"]} >= {"0-6", "18+", "unknown"}
    one = http.get("/v1/protections?age_band=13-15&assurance=estimated&place=GB&language=es").json()["protections"]
    assert {p["age_band"] for p in one} == {"13-15"} and any("niñ" in p["reason"] for p in one)
    assert {s["place"] for p in one for s in p["sources"]} == {"general", "GB"}
    own = http.get("/v1/protections?age_band=18%2B&assurance=self_declared").json()["protections"]
    assert {p["age_band"] for p in own} == {"unknown"}
    for wrong in ("age_band=13", "place=gb", "place=GB-", "place=GBR", "language=xx", "assurance=yes", "misspelt=1", "place=GB&place=US"):
        problem(http.get(f"/v1/protections?{wrong}"), 400, "invalid")


def test_a_face_without_gates_has_none() -> None:
    _, http = service()
    problem(http.post("/v1/contacts:screen", json={"asked": [question(ADULT, CHILD)]}), 404, "not_found")
    problem(http.post("/v1/trusted-contacts:offer", json={"party": CHILD}), 404, "not_found")
    problem(http.get("/v1/protections"), 404, "not_found")


def test_a_table_of_ones_own_counts_and_one_that_endangers_stops_the_start(tmp_path: Path) -> None:
    text = files("nightlight.protect").joinpath("gates", "policy.toml").read_text("utf-8")
    row = 'adult           = ["refuse", "limit", "allow", "allow"]'
    own = tmp_path / "gates.toml"
    settings = Settings(gates_table="gates.toml")
    own.write_text(text.replace(row, 'adult = ["refuse", "refuse", "refuse", "refuse"]', 1))
    with bootstrap(tmp_path, settings=settings) as graph:
        assert ask(client(graph), "contacts", question(ADULT, CHILD, "family"))["results"] == [NOT]
    own.write_text(text.replace(row, 'adult = ["limit", "limit", "allow", "allow"]', 1))
    with pytest.raises(Invalid, match="a stranger who is or may be an adult is refused"):
        bootstrap(tmp_path, settings=settings)
    own.unlink()
    with pytest.raises(Invalid) as wrong:
        bootstrap(tmp_path, settings=settings)
    assert wrong.value.field == "gates_table"
