"""The words behind message keys, as a service asks for them."""

from __future__ import annotations

import msgspec

from nightlight.core.decision import Helpline
from nightlight.core.services import Scope
from nightlight.protect import catalogue
from nightlight.web import WebConfig, create_app
from nightlight.web.config import FamilyConfig
from tests.web.client import Client, problem
from tests.web.fakes import Fakes


def test_every_message_is_given_in_the_language_asked_for() -> None:
    fakes = Fakes()
    services = msgspec.structs.replace(fakes.services, messages=catalogue())
    line = Helpline(name="Sample line", contact="https://help.example", place="GB")
    client = Client(create_app(services, WebConfig(family=FamilyConfig(helplines=(line,)))), fakes.keys.add("game", Scope.EVENTS_WRITE))
    english, spanish = client.get("/v1/messages").json(), client.get("/v1/messages?language=es").json()
    assert (english["language"], spanish["language"]) == ("en", "es")
    assert english["languages"] == ["en", "es"] and english["helplines"][0]["name"] == "Sample line"
    for language, found in (("en", english), ("es", spanish)):
        assert found["messages"] == msgspec.json.decode(msgspec.json.encode(catalogue()[language]))
    problem(client.get("/v1/messages?language=xx"), 404, "not_found")
    problem(client.get("/v1/messages?lang=es"), 400, "invalid")
