"""`/with-you` without a browser: the steps, what a link brings with it, what is refused, what is kept of it, and the words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from itertools import pairwise
from typing import Any

import httpx
import pytest
import structlog

from nightlight.core.decision import Helpline
from nightlight.core.errors import Busy, Conflict
from nightlight.core.event import ReportCategory
from nightlight.core.services import Scope
from nightlight.protect.helplines import helplines
from nightlight.web import FamilyConfig, WebConfig, create_app
from nightlight.web.family.help import FIELDS, MAX_FORM, PATH, SPOKEN
from nightlight.web.family.pages import PAGE_HEADERS
from nightlight.web.family.steps import ORDER, Door, Step, around
from nightlight.web.family.words import LANGUAGES, Reader, catalogue, words_of
from tests.web.client import Client, problem
from tests.web.fakes import Fakes
from tests.web.test_protect import BLAMING, LONGEST, MEAN, sentences

ASK = {"account": {"account": "lee", "age_band": "7-9", "place": "AU"}, "conversation": "room", "about": [{"account": "kim"}]}
ONCE = "ab" * 16


def pages(**family: Any) -> tuple[Fakes, Client]:
    fakes = Fakes()
    config = WebConfig(family=FamilyConfig(service="Sky Meadow", **family), page_rate_per_minute=100_000)
    return fakes, Client(create_app(fakes.services, config), fakes.keys.add("all", *Scope))


def step(client: Client, headers: Mapping[str, str] | None = None, **form: str) -> httpx.Response:
    return client.post(PATH, data=form, headers={"accept-language": "en-GB", **(headers or {})})


def link(client: Client, **changed: Any) -> str:
    answer = client.post("/v1/help-links", json={**ASK, **changed})
    assert answer.status_code == 200
    return str(answer.json()["token"])


def field(answer: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    assert found is not None
    return found[1]


def heading(answer: httpx.Response) -> str:
    found = re.search(r"<h1[^>]*>([^<]+)</h1>", answer.text)
    assert found is not None
    return found[1].replace("&#39;", "'")


# -- the way -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reader", list(Reader))
def test_every_step_for_every_reader_carries_the_headers_and_the_way_out(language: str, reader: Reader) -> None:
    _, client = pages(leave_to="https://play.example/")
    words = catalogue("help", language)[reader]
    weights = [sum(len(client.get(address).content) for address in ASSETS)]
    for door in Door:
        for at in Step:
            if at is Step.SENT:
                continue
            answer = step(client, at=at, door=door, reader=reader, lang=language, place="GB", to=at)
            assert answer.status_code == 200 and f'<html lang="{language}"' in answer.text
            assert '<a class="leave" id="leave" href="https://play.example/"' in answer.text
            assert answer.headers["cache-control"] == "no-store" and answer.headers["referrer-policy"] == "no-referrer"
            assert "set-cookie" not in answer.headers and "form-action 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["permissions-policy"] == PAGE_HEADERS["permissions-policy"]
            assert not re.search(r"<[^>]+\s(?:style|on\w+)=|<script(?![^>]* src=)", answer.text)
            assert f"<title>{words_of('common', language)['title']}</title>" in answer.text
            assert not re.search(r"\{\w+\}|built-in method", answer.text)
            for outside in re.findall(r'<a[^>]+href="https?://[^>]+>', answer.text.replace('id="leave" href="https://play.example/"', "")):
                assert 'rel="noopener noreferrer"' in outside
            weights.append(len(answer.content))
    assert heading(step(client, at="start", reader=reader, lang=language, to="hurt")) == words["hurt_h"]
    assert weights[0] + max(weights[1:]) < 100_000


ASSETS = (
    "/family/static/family.css",
    "/family/static/hub.css",
    "/family/static/leave.js",
    f"{PATH}/static/help.css",
    f"{PATH}/static/help.js",
)


@pytest.mark.parametrize("door", list(Door))
def test_each_way_has_every_step_once_and_leads_back(door: Door) -> None:
    way = ORDER[door]
    assert set(way) == set(Step) - {Step.START, Step.DANGER, Step.HURT, Step.SENT, Step.END} and len(set(way)) == len(way)
    assert way[0] is Step.FAULT and way[-1] is Step.REPORT and way.index(Step.KEEP) < way.index(Step.BLOCK)
    assert around(door, way[0])[0] is Step.START and around(door, way[-1])[1] is Step.END
    for before, after in pairwise(way):
        assert around(door, before)[1] is after and around(door, after)[0] is before


def test_the_first_page_asks_whether_they_are_safe_and_shows_the_countrys_line() -> None:
    _, client = pages()
    answer = client.get(PATH, headers={"accept-language": "es-ES,es;q=0.9"})
    assert "¿estás a salvo ahora mismo?" in answer.text and "900 20 20 10" in answer.text
    assert answer.text.index('value="danger"') < answer.text.index('value="hurt"') < answer.text.index('value="door-threat"')
    assert "0800 1111" in client.get(PATH, headers={"accept-language": "en-GB"}).text
    hurt = step(client, at="start", place="US", to="hurt").text
    assert hurt.index('href="tel:988"') < hurt.index('href="tel:911"')
    danger = step(client, at="start", place="US", to="danger").text
    assert danger.index('href="tel:911"') < danger.index('href="tel:18004224453"')


def test_an_operators_own_lines_come_first_and_an_emergency_before_them() -> None:
    _, client = pages(helplines=(Helpline(name="Ours", contact="0800 555"), Helpline(name="Theirs", contact="1", place="FR")))
    start = step(client, place="GB").text
    assert start.index("Ours") < start.index("Childline") and "Theirs" not in start
    danger = step(client, place="GB", to="danger").text
    assert danger.index('href="tel:999"') < danger.index("Ours")


def test_the_country_is_chosen_and_stays_chosen() -> None:
    _, client = pages(place="DE")
    assert "116 111" in client.get(PATH, headers={"accept-language": "en"}).text  # the operator's
    answer = step(client, at="tell", place="AU", to="show")
    assert "1800 55 1800" in answer.text and field(answer, "place") == "AU" and heading(answer) == "Tell someone you choose"
    nowhere = step(client, at="tell", place="", to="show")
    assert "childhelplineinternational" in nowhere.text and "116 111" not in nowhere.text


def test_the_spoken_address_leads_on() -> None:
    _, client = pages()
    answer = client.get(SPOKEN)
    assert (answer.status_code, answer.headers["location"]) == (303, PATH)


def test_a_country_has_a_name_in_every_language() -> None:
    for language in LANGUAGES:
        assert set(helplines().places()) <= set(words_of("places", language))


# -- by a link -----------------------------------------------------------------------------------------------------------------------


def test_a_link_opens_at_the_first_tap_and_brings_age_and_country() -> None:
    fakes, client = pages()
    token = link(client)
    assert fakes.help.opened_with == []
    # As a service's own page sends it: a form from another site, and nothing but the link.
    first = step(client, headers={"sec-fetch-site": "cross-site", "origin": "https://play.example"}, link=token)
    assert fakes.help.opened_with == [token]
    assert (field(first, "link"), field(first, "reader"), field(first, "place")) == (token, "7-10", "AU")
    assert "1800 55 1800" in first.text
    kept = step(client, at="start", reader="14-17", place="GB", link=token, to="keep")
    assert "safe place until 2026-03-15" in kept.text and field(kept, "reader") == "14-17" and field(kept, "place") == "GB"
    assert "We don&#39;t keep what you do here" not in kept.text
    elsewhere = step(client, at="start", link=link(client, conversation="elsewhere"), to="keep")
    assert "We don&#39;t have the messages of that chat" in elsewhere.text


def test_a_get_never_keeps_anything() -> None:
    fakes, client = pages()
    token = link(client)
    problem(client.get(f"{PATH}?link={token}"), 400, "invalid")
    assert client.get(PATH).status_code == 200 and fakes.help.opened_with == []


def test_a_link_that_is_over_helps_all_the_same() -> None:
    _, client = pages()
    answer = step(client, at="pay", link="x" * 80, to="keep")
    assert answer.status_code == 200 and heading(answer) == "Keep the messages"
    assert "is too old" in answer.text and field(answer, "link") == ""


def test_links_need_a_scope_and_a_page() -> None:
    fakes, client = pages()
    other = Client(client.app, fakes.keys.add("reader", Scope.SAFETY_READ))
    problem(other.post("/v1/help-links", json=ASK), 403, "denied")
    problem(client.post("/v1/help-links", json={**ASK, "about": [{"account": "a\u202eb"}]}), 400, "invalid")
    _, off = pages(help="off")
    problem(off.post("/v1/help-links", json=ASK), 404, "not_found")
    for answer in (off.get(PATH), off.get(SPOKEN), step(off)):
        problem(answer, 404, "not_found")


# -- reporting -----------------------------------------------------------------------------------------------------------------------


def test_one_tap_reports_whom_the_link_names_and_shows_the_code() -> None:
    fakes, client = pages()
    token = link(client)
    asked = step(client, at="start", link=token, to="report")
    assert 'name="name"' not in asked.text
    form = {name: field(asked, name) for name in ("at", "door", "reader", "lang", "place", "link", "once")}
    told = step(client, **form, to="send")
    [(with_token, report)] = fakes.help.reports
    assert with_token == token and report.category is ReportCategory.THREATENED and report.once == form["once"]
    code = re.search(r'data-code="([2-9A-Z-]{24})"', told.text)
    assert code is not None and all(f"<span>{group}</span>" in told.text for group in code[1].split("-"))
    again = step(client, **form, to="send")
    assert code[0] in again.text


def test_without_a_link_it_is_anonymous_and_by_name() -> None:
    fakes, client = pages()
    wrong = step(client, at="report", once=ONCE, category="wants_to_meet", text="zantle", to="send")
    assert wrong.status_code == 400 and 'aria-invalid="true"' in wrong.text and "zantle</textarea>" in wrong.text
    assert re.search(r'value="wants_to_meet" checked', wrong.text) and fakes.help.reports == []
    told = step(client, at="report", once=ONCE, category="wants_to_meet", text="zantle", name=" vell ", to="send")
    assert told.status_code == 200
    [(token, report)] = fakes.help.reports
    assert token is None and (report.name, report.text, report.category) == ("vell", "zantle", ReportCategory.WANTS_TO_MEET)


def test_a_link_that_ended_meanwhile_reports_nobody_by_mistake() -> None:
    fakes, client = pages()
    answer = step(client, at="report", once=ONCE, link="x" * 80, name="vell", to="send")
    assert answer.status_code == 404 and "Too much time has gone by" in answer.text and fakes.help.reports == []


@pytest.mark.parametrize(("fault", "status", "words"), [(Busy("b"), 503, "Too many people"), (Conflict("c"), 409, "sent already")])
def test_what_goes_wrong_is_said_in_plain_words_and_what_was_typed_is_kept(fault: Any, status: int, words: str) -> None:
    fakes, client = pages()
    fakes.help.fault = fault
    answer = step(client, at="report", once=ONCE, name="vell", text="zantle", to="send")
    assert answer.status_code == status and words in answer.text and "zantle" in answer.text and 'value="vell"' in answer.text


def test_reports_are_limited_by_address_and_only_from_the_page_itself() -> None:
    fakes, client = pages(reports_an_hour=2)
    for n in range(3):
        answer = step(client, at="report", once=f"{n:032x}", name="vell", to="send")
    assert answer.status_code == 429 and "a lot of tries" in answer.text and len(fakes.help.reports) == 2
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://other.example"}):
        problem(step(client, headers=headers, at="report", once=ONCE, name="vell", to="send"), 403, "denied")
    # A form of a page that names no referrer says `null`.
    other = Client(client.app, address="192.0.2.7")
    assert step(other, headers={"origin": "null"}, at="report", once=ONCE, name="vell", to="send").status_code == 200


@pytest.mark.parametrize(
    ("reports", "linked", "open_"), [("off", False, False), ("linked", False, False), ("linked", True, True), ("on", False, True)]
)
def test_who_may_report_is_the_operators_word(reports: str, linked: bool, open_: bool) -> None:
    fakes, client = pages(help_reports=reports)
    token = link(client) if linked else ""
    assert ('value="send"' in step(client, link=token, to="report").text) is open_
    assert (step(client, at="report", link=token, once=ONCE, name="vell", to="send").status_code == 200) is open_
    assert len(fakes.help.reports) == open_


def test_a_code_that_nobody_knows_is_told_from_a_typing_mistake() -> None:
    _, client = pages()
    answer = step(client, at="end", code="2222", to="look")
    assert answer.status_code == 404 and "don&#39;t know this code" in answer.text  # these fakes take no reports


# -- bad input -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {"to": "nowhere"},
        {"to": "door-back"},
        {"to": "lang-xx"},
        {"to": "reader-99"},
        {"at": "zzz"},
        {"door": "x"},
        {"reader": "x"},
        {"lang": "xx"},
        {"place": "gb"},
        {"place": "<script>"},
        {"once": "x", "to": "send"},
        {"link": "x" * 8193},
        {"more": "1"},
        {"text": "\0"},
        dict.fromkeys(FIELDS, "") | {f"x{n}": "" for n in range(20)},
    ],
)
def test_what_the_page_never_says_is_refused_and_not_repeated(form: dict[str, str]) -> None:
    fakes, client = pages()
    told = problem(step(client, **form), 400, "invalid")
    assert "script" not in str(told) and fakes.help.reports == []


def test_a_form_that_is_none_or_too_big() -> None:
    _, client = pages()
    problem(client.send(PATH, b"{}"), 400, "invalid")
    problem(client.send(PATH, b"text=%FF", "application/x-www-form-urlencoded"), 400, "invalid")
    problem(client.send(PATH, b"to=keep&to=pay", "application/x-www-form-urlencoded"), 400, "invalid")
    problem(client.send(PATH, b"text=" + b"a" * MAX_FORM, "application/x-www-form-urlencoded"), 413, "too_large")
    assert step(client, at="report", once=ONCE, name="v" * 201, to="send").status_code == 400
    problem(step(client, headers={"x": "y"}, at="report", category="in_danger' or 1", once=ONCE, name="v", to="nope"), 400, "invalid")


def test_what_was_typed_is_escaped_and_sent_is_never_shown_without_a_code() -> None:
    _, client = pages()
    answer = step(client, at="report", name='"><img src=x>', text="</textarea><b>", to="send", once="")
    assert "<img" not in answer.text and "</textarea><b>" not in answer.text
    assert heading(step(client, to="sent")) == "Report it"


def test_nothing_of_a_visit_is_logged() -> None:
    fakes, client = pages()
    token = link(client)
    with structlog.testing.capture_logs() as logs:
        step(client, link=token, to="hurt")
        step(client, at="report", once=ONCE, name="vell", text="zantle", to="send")
        fakes.help.fault = Busy("x")
        step(client, at="report", once="cd" * 16, name="vell", text="zantle", to="send")
    assert logs == []


# -- words ---------------------------------------------------------------------------------------------------------------------------


def raw(language: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files("nightlight.web.family").joinpath("words", f"help.{language}.toml").read_text("utf-8"))


def test_every_reader_has_the_same_keys_in_each_language() -> None:
    assert {part: set(words) for part, words in raw("en").items()} == {part: set(words) for part, words in raw("es").items()}
    for part in Reader:
        assert set(raw("en")[part]) <= set(raw("en")["all"]), part


def test_every_word_is_used_and_every_one_that_is_asked_for_is_there() -> None:
    folder = files("nightlight.web.family")
    template = folder.joinpath("templates", "help.html").read_text("utf-8")
    page = template + folder.joinpath("help.py").read_text("utf-8")
    known = set(raw("en")["all"])
    numbered = {f"{step}_{n}" for step in Step for n in "1234"} | {f"name_{step}" for step in Step}
    chosen = {f"what_{c}" for c in ReportCategory} | {f"age_{r.replace('-', '_')}" for r in Reader}
    assert {key for key in known - numbered - chosen if not re.search(rf"\b{key}\b", page)} == set()
    common = set(words_of("common", "en"))
    asked = set(re.findall(r"words\.([a-z_0-9]+)", template)) | set(re.findall(r'say\("([a-z_0-9]+)"', page))
    assert asked - known - common == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reader", list(Reader))
def test_words_are_short_and_blame_and_frighten_nobody(language: str, reader: Reader) -> None:
    found: list[tuple[int, str]] = []
    for key, text in catalogue("help", language)[reader].items():
        assert not BLAMING.search(text), key
        if not re.match(r"error_|code_|lines_|emergency|place|no_print|in_new_tab", key):
            found += [(len(words), " ".join(words)) for words in sentences(text)]
    limit = Reader.MIDDLE if reader is Reader.TEEN else reader  # nobody older than eleven is needed to read it
    assert max(found)[0] <= LONGEST[limit], max(found)
    assert sum(count for count, _ in found) / len(found) <= MEAN[limit]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_must_be_said_is_said_to_each(language: str) -> None:
    fault, pay, promise = {
        "en": ("isn't your fault", "Don't", "can't promise"),
        "es": ("No es culpa tuya", "No ", "No podemos prometer"),
    }[language]
    for reader in Reader:
        words = catalogue("help", language)[reader]
        assert fault in words["start_lead"] and fault in words["fault_2"] and pay in words["pay_1"] and promise in words["picture_4"]
        assert "{service}" in words["report_3"] and "{until}" in words["kept_here"]
