"""The published description: complete, and true of the app."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from nightlight.app.bootstrap import Nightlight, bootstrap
from nightlight.app.settings import Settings
from nightlight.core.bank import Bank
from nightlight.core.event import KINDS
from nightlight.core.services import Scope
from nightlight.web import WebConfig
from nightlight.web.hands import Hands
from tests.web.client import Client, service

FAKES, CLIENT = service(WebConfig(max_media=10_000, answer_deadline_s=0.2))
DOCUMENT: dict[str, Any] = CLIENT.get("/openapi.json").json()
OPERATIONS = [(path, method, op) for path, item in DOCUMENT["paths"].items() for method, op in item.items()]

REAL = ("gates", "trust", "protections", "guardians", "user_reports", "moments", "messages", "deterrence")
"""What answers of itself, and has no fake: the walk below meets the real one."""


@pytest.fixture(scope="module", autouse=True)
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nightlight]:
    hands: Hands = CLIENT.app.state["hands"]
    faked = hands.services
    with bootstrap(tmp_path_factory.mktemp("openapi") / "home", settings=Settings(), start=False) as made:
        hands.services = msgspec.structs.replace(faked, **{name: getattr(made.services, name) for name in REAL})
        yield made
        hands.services = faked


def refs(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {value["$ref"]} if isinstance(value.get("$ref"), str) else set().union(*map(refs, value.values()))
    return set().union(*map(refs, value)) if isinstance(value, list) else set()


def test_it_is_at_the_documented_path_without_a_key() -> None:
    client = Client(CLIENT.app)
    assert client.get("/openapi.json").json()["openapi"] == "3.1.0"
    _, moved = service(WebConfig(docs_path="/docs/api.json"))
    assert moved.get("/docs/api.json").json()["info"]["title"] == "Nightlight"
    assert moved.get("/openapi.json").status_code == 404


def test_every_reference_leads_somewhere() -> None:
    for ref in refs(DOCUMENT):
        found: Any = DOCUMENT
        for step in ref.removeprefix("#/").split("/"):
            assert step in found, ref
            found = found[step]


@pytest.mark.parametrize(("path", "method", "op"), OPERATIONS, ids=[f"{method} {path}" for path, method, _ in OPERATIONS])
def test_every_operation_says_what_it_needs_and_answers(path: str, method: str, op: dict[str, Any]) -> None:
    assert op["summary"]
    assert "429" in op["responses"]
    if path.startswith("/v1"):
        assert op["security"] == [{"key": []}]
        assert set(op["x-nightlight-scopes"]) <= set(Scope)
        assert {"401", "403"} <= op["responses"].keys()
    if "requestBody" in op:
        assert {"400", "408", "413", "415"} <= op["responses"].keys()
    names = [parameter["name"] for parameter in op.get("parameters", ()) if parameter["in"] == "path"]
    assert names == [step[1:].partition("}")[0] for step in path.split("/") if step.startswith("{")]


def test_operation_names_are_unique() -> None:
    names = [op["operationId"] for _, _, op in OPERATIONS]
    assert len(set(names)) == len(names)


def test_every_kind_of_event_may_be_sent_but_the_one_we_make() -> None:
    assert set(DOCUMENT["components"]["schemas"]["Event"]["discriminator"]["mapping"]) == set(KINDS) - {"media_screened"}


def test_limits_are_told() -> None:
    events = DOCUMENT["components"]["schemas"]["EventBatch"]["properties"]["events"]
    assert (events["minItems"], events["maxItems"]) == (1, WebConfig().max_batch)
    assert "10000 bytes a file" in DOCUMENT["info"]["description"]


FAKES.banks.create(Bank(name="known"), "test")
CONFIG = {
    "checks": {"negative_data_rejection": {"expected-statuses": [400, 401, 403, 404, 405, 408, 409, 413, 415, 429]}},
    # Thousands of boundary values of every kind of event: walked through once, on the door for one event.
    "operations": [{"include-path": "/v1/events:batch", "phases": {"coverage": {"enabled": False}}}],
}
schema = schemathesis.openapi.from_asgi("/openapi.json", CLIENT.app, config=schemathesis.Config.from_dict(CONFIG))

BEYOND_SCHEMA = (
    "in the future",  # what a time may be depends on the clock
    "is before",
    "already among the targets",  # JSON Schema cannot compare two fields
    "one account, and another",  # the same
    "no ticket",  # one is sealed
    "each account once",
    "one of the two",
    "nobody reports themselves",
    "this part is missing or empty",  # an array of files that came out empty
    "may not address its own actor",
    "got `float`",  # JSON Schema calls 11.0 an integer; we do not
    "may not hold the character U+0000",
    "surrogate",
    "no picture has such a hash",  # how many bits are set
    "as many files as events",
    "has a typing mistake",  # a code's last sign is computed from the others
    "is sent without pdq",  # two fields again
    "configured webhook endpoint",  # the description is the same whatever is configured
)


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_app_is_as_described(case: schemathesis.Case[Any]) -> None:
    """schemathesis: statuses, bodies and media types as declared, valid data accepted and invalid refused, never a 5xx."""
    FAKES.events.bodies.clear()
    headers = {"Authorization": f"Bearer {CLIENT.key}", "host": "localhost"}
    answer = case.call(headers=headers)
    semantic = answer.status_code == 400 and any(words in answer.text for words in BEYOND_SCHEMA)
    excluded: list[Any] = [positive_data_acceptance] if semantic else []
    if answer.status_code == 200 and "json" in str(answer.headers["content-type"]) and "results" in answer.json():
        excluded.append(negative_data_rejection)  # a bad entry is refused at its position, and the batch is answered all the same
    if answer.status_code == 503 and "as many codes as an hour may bring" in answer.text:
        excluded.append(not_a_server_error)  # the walk asks for one account again and again
    case.validate_response(answer, headers=headers, excluded_checks=excluded)


def test_what_was_walked_through_was_there() -> None:
    """Where one of them is missing its operations answer 404 to everything, which the walk takes for true."""
    hands: Hands = CLIENT.app.state["hands"]
    assert all(getattr(hands.services, name) for name in REAL)
    party = {"account": "kim", "age_band": "13-15"}
    asked = {"asked": [{"actor": party, "target": {**party, "account": "lee"}}]}
    assert CLIENT.post("/v1/contacts:screen", json=asked).json() == {"results": [{"outcome": "refuse", "code": "not_available"}]}
    offered = CLIENT.post("/v1/trusted-contacts:offer", json={"party": party})
    assert offered.status_code == 200
    assert CLIENT.get("/v1/interventions").status_code == CLIENT.get("/v1/protections").status_code == 200
