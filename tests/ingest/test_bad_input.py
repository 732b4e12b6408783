"""Whatever arrives, the answer is an event or one clear error: never another exception, never a value sent back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nightlight.core.errors import Invalid, NightlightError, TooLarge
from nightlight.core.event import KINDS, EventBase
from nightlight.ingest import DEFAULT_LIMITS, decode, decode_batch
from tests.ingest.test_decode import NOW, body, in_a_channel, message
from tests.strategies import wire_events

SECRET = "dorrow-fenny-murl"  # stands for anything a person wrote; it may appear in no error


def media(kind: str, value: str) -> dict[str, Any]:
    return message(kind="media", text=..., fingerprints=[{"kind": kind, "value": value}])


CASES: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("unknown kind", message(kind=SECRET), "kind", "must be one of: message, media,"),
    ("kind of a wrong type", message(kind=3), "kind", "expected `str`"),
    ("no kind", message(kind=...), "kind", "required"),
    ("no id", message(id=...), "id", "required"),
    ("no text", message(text=...), "text", "required"),
    ("no actor", message(actor=...), "actor", "required"),
    ("no account", message(actor={}), "actor.account", "required"),
    ("text of a wrong type", message(text=3), "text", "expected `str`, got `int`"),
    ("account null", message(actor={"account": None}), "actor.account", "expected `str`, got `null`"),
    ("empty id", message(id=""), "id", "length >= 1"),
    ("long id", message(id="x" * 201), "id", "at most 200 characters"),
    ("unknown age band", message(targets=[{"account": "kit", "age_band": SECRET}]), "targets[0].age_band", "0-6, 7-9, 10-12"),
    ("unknown assurance", message(actor={"account": "mo", "assurance": SECRET}), "actor.assurance", "self_declared"),
    ("unknown relation", message(relation=SECRET), "relation", "stranger, contact"),
    ("unknown channel kind", message(channel={"id": "c", "kind": SECRET}), "channel.kind", "direct, group"),
    ("a misspelt field", message(relaton="contact"), "relaton", "did you mean `relation`?"),
    ("a misspelt field within", message(actor={"account": "mo", "ageband": "18+"}), "actor.ageband", "did you mean `age_band`?"),
    ("a field named by a stranger", message(**{SECRET + " !": 1}), None, "not in the schema"),
    ("negative age", message(actor={"account": "mo", "account_age_days": -1}), "actor.account_age_days", ">= 0"),
    ("place in small letters", message(actor={"account": "mo", "place": "gb"}), "actor.place", "[A-Z]{2}"),
    ("place with a newline", message(actor={"account": "mo", "place": "GB\n"}), "actor.place", "ISO 3166-1"),
    ("target's place with a newline", message(targets=[{"account": "a", "place": "GB\n"}]), "targets[0].place", "ISO 3166-1"),
    ("time without a zone", message(at="2025-06-30T20:00:00"), "at", "timezone"),
    ("time of another calendar", message(at=SECRET), "at", "RFC3339"),
    ("time as a number", message(at=1751313600), "at", "expected `datetime`"),
    ("time in 1970", message(at="1970-01-01T00:00:00Z"), "at", "before 2000-01-01"),
    ("the first moment there is", message(at="0001-01-01T00:00:00+23:59"), "at", "before 2000-01-01"),
    ("the last moment there is", message(at="9999-12-31T23:59:59-23:59"), "at", "more than 24 hours in the future"),
    ("time a week ahead", message(at="2025-07-08T12:00:00Z"), "at", "more than 24 hours in the future"),
    ("a message to oneself", message(targets=[{"account": "kit"}, {"account": "mo"}]), "targets[1].account", "its own actor"),
    ("a request to oneself", message(kind="contact_request", text=..., targets=[{"account": "mo"}]), "targets[0].account", "its own actor"),
    ("a target twice", message(targets=[{"account": "kit"}, {"account": "kit"}]), "targets[1].account", "already among"),
    ("too many targets", message(targets=[{"account": f"a{i}"} for i in range(201)]), "targets", "at most 200 items"),
    ("no channel", message(channel=...), "channel", "needs a channel"),
    ("speech without a channel", message(kind="transcript", channel=...), "channel", "needs a channel"),
    ("NUL in an id", message(id="a\0b"), "id", "control characters"),
    ("NUL in an account", message(actor={"account": "a\0"}), "actor.account", "control characters"),
    ("newline in a target", message(targets=[{"account": "a\nb"}]), "targets[0].account", "control characters"),
    ("reordering mark in a channel", message(channel={"id": "a\u202eb"}), "channel.id", "control characters"),
    ("C1 control in an id", message(id="a\x85b"), "id", "control characters"),
    ("NUL in a media id", message(kind="media_screened", media_id="\0", text=...), "media_id", "control characters"),
    ("NUL in text", message(text=f"{SECRET}\0"), "text", "U+0000"),
    ("NUL in another text", message(kind="reward", name="a\0", text=...), "name", "U+0000"),
    ("text of a megabyte", message(text="a" * 1_000_000), "text", "at most 20000 characters"),
    ("no fingerprints", message(kind="media", text=..., fingerprints=[]), "fingerprints", "length >= 1"),
    ("a hash that is too short", media("sha256", "a" * 32), "fingerprints[0].value", "64 lower-case hexadecimal"),
    ("a hash with a newline", media("md5", "a" * 32 + "\n"), "fingerprints[0].value", "32 lower-case hexadecimal"),
    ("a foreign hash that is too short", media("x-ring", "a" * 7), "fingerprints[0].value", "8,2048"),
    ("a foreign hash that is too long", media("x-ring", "a" * 2049), "fingerprints[0].value", "8,2048"),
    ("a foreign hash with a newline", media("x-ring", "a" * 16 + "\n"), "fingerprints[0].value", "lower-case hexadecimal"),
    ("a foreign kind with too long a name", media("x-" + "r" * 40, "a" * 16), "fingerprints[0].kind", "sha256, sha1, md5, pdq"),
    ("a hash of an unknown kind", media(SECRET, "a" * 32), "fingerprints[0].kind", "sha256, sha1, md5, pdq"),
    ("an unknown category", message(kind="user_report", category=SECRET), "category", "uncomfortable"),
]


@pytest.mark.parametrize(("wire", "field", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_kind_of_mistake_is_named(wire: dict[str, Any], field: str | None, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(body(wire), DEFAULT_LIMITS, NOW)
    assert caught.value.field == field
    assert says in caught.value.message
    assert SECRET not in f"{caught.value.message}{caught.value.field}"
    # Neither does a traceback drag the payload along.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xef\xbb\xbf" + body(message()),
        body(message())[:-3],
        body(message()) + b"}",
        body(message()).replace(b"zantle", b"\xff\xfe"),
        body(message()).replace(b"zantle", b"\xed\xa0\x80"),  # a surrogate, as UTF-8 has no room for
        body(message()).replace(b"zantle", b"\\ud800"),
        body(message()).replace(b"zantle", b"\\udc00\\ud800"),
        body(message()).replace(b"zantle brisp", b"\\ud800"),
        body(message()).replace(b"zantle", b"a\x00b"),
        body(message()).replace(b'"zantle brisp"', b"NaN"),
        b"[" * 10_000 + b"]" * 10_000,
        b'{"id": ' + b"[" * 10_000 + b"]" * 10_000 + b', "kind": "message"}',
        b'{"id": ' + b'{"a": ' * 100_000,
        body(message(targets=[[[[]]]])),
        body(message()).replace(b'"13-15"', b"9" * 100_000),
        b" " * (DEFAULT_LIMITS.event_bytes + 1),
    ],
    ids=range(20),
)
def test_what_is_not_json_or_not_text_is_refused(payload: bytes) -> None:
    with pytest.raises(Invalid):
        decode(payload, DEFAULT_LIMITS, NOW)


def test_too_much_is_told_from_wrong() -> None:
    for wire in (message(text="a" * 20_001), message(targets=[{"account": str(i)} for i in range(201)])):
        with pytest.raises(TooLarge):
            decode(body(wire), DEFAULT_LIMITS, NOW)


def test_a_day_of_clock_error_is_forgiven() -> None:
    assert decode(body(message(at="2025-07-02T11:59:59Z")), DEFAULT_LIMITS, NOW).id == "evt-1"


@given(st.binary(max_size=300))
@example(b'{"kind":"message"}')
def test_any_bytes_get_an_event_or_a_clear_error(payload: bytes) -> None:
    for read in (decode, decode_batch):
        try:
            read(payload, DEFAULT_LIMITS, NOW)
        except NightlightError as error:
            assert error.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(wire_events().map(in_a_channel), st.data())
def test_any_value_in_any_field_gets_an_event_or_an_error_that_names_that_field(wire: dict[str, Any], data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(set(wire) - {"kind"})))
    broken = wire | {field: data.draw(JSON)}
    try:
        # `json.dumps` writes NaN and lone surrogates too, as a careless client would.
        event = decode(json.dumps(broken).encode(), DEFAULT_LIMITS, NOW)
    except Invalid as error:
        assert error.field is None or error.field == field or error.field.startswith((f"{field}.", f"{field}["))
    else:
        assert isinstance(event, EventBase)
        json.dumps(broken[field], ensure_ascii=False).encode()  # what was accepted can be written as UTF-8 again


@given(wire_events().map(in_a_channel), st.sampled_from(["id", "actor", "at"]), st.text("xyzw", min_size=12, max_size=20))
def test_a_wrong_value_is_never_sent_back(wire: dict[str, Any], field: str, secret: str) -> None:
    for value in (secret + "\0", [secret], {secret + " ": secret}):
        with pytest.raises(Invalid) as caught:
            decode(body(wire | {field: value}), DEFAULT_LIMITS, NOW)
        assert secret not in caught.value.message
        assert secret not in (caught.value.field or "")


def test_the_kinds_that_are_allowed_are_listed_in_full() -> None:
    with pytest.raises(Invalid) as caught:
        decode(body(message(kind="mesage")), DEFAULT_LIMITS, NOW)
    assert caught.value.message == f"must be one of: {', '.join(KINDS)}"


@pytest.mark.parametrize(("kind", "value"), [("x-ring", "a" * 8), ("x-ring", "0f" * 1024), ("x-" + "r" * 39, "a" * 17)])
def test_foreign_kinds_are_taken_whatever_their_length_within_bounds(kind: str, value: str) -> None:
    event = decode(body(media(kind, value)), DEFAULT_LIMITS, NOW)
    (found,) = event.fingerprints  # type: ignore[attr-defined]
    assert (found.kind.value, found.kind.is_foreign, found.value) == (kind, True, value)
