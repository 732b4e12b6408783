"""`/protect-my-picture` without a browser: who may send what how often, what the answers tell, and the words."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
import pytest

from nightlight.core.decision import Helpline
from nightlight.core.errors import Busy
from nightlight.core.self_report import SelfReportState
from nightlight.core.services import Scope
from nightlight.web import FamilyConfig, WebConfig, create_app
from nightlight.web.family.protect import FILES, MAX_BODY, link_of
from nightlight.web.family.words import LANGUAGES, Reader, catalogue, language_of
from tests.web.client import Client, problem, service
from tests.web.fakes import Fakes

PAGE = "/protect-my-picture"
PDQ = "0f" * 32


def body(n: int = 1, **more: Any) -> dict[str, Any]:
    return {"once": f"{n:032x}", "pictures": [{"sha256": f"{n:064x}", "pdq": PDQ, "quality": 80}], **more}


def pages(**family: Any) -> tuple[Fakes, Client]:
    fakes = Fakes()
    return fakes, Client(create_app(fakes.services, WebConfig(family=FamilyConfig(**family))))


def test_from_sending_to_taking_back() -> None:
    _, client = pages()
    sent = client.post(f"{PAGE}/send", json=body())
    assert (sent.status_code, list(sent.json())) == (200, ["code"])
    code = sent.json()["code"]
    assert client.post(f"{PAGE}/send", json=body()).json() == {"code": code}
    assert client.post(f"{PAGE}/state", json={"code": code.lower()}).json() == {"state": "received"}
    assert client.post(f"{PAGE}/withdraw", json={"code": code}).json() == {"state": "withdrawn"}
    assert client.post(f"{PAGE}/state", json={"code": code}).json() == {"state": "withdrawn"}


def test_a_slip_is_told_from_a_code_that_is_not_known() -> None:
    fakes, client = pages()
    code = client.post(f"{PAGE}/send", json=body()).json()["code"]
    fakes.self_reports.codes.clear()
    for path in ("state", "withdraw"):
        problem(client.post(f"{PAGE}/{path}", json={"code": code}), 404, "not_found")
        wrong = problem(client.post(f"{PAGE}/{path}", json={"code": code[:-1]}), 400, "invalid")
        assert wrong["field"] == "code" and code[:-1] not in str(wrong)


def test_only_the_page_itself_may_send_in_a_browser() -> None:
    _, client = pages(reports_an_hour=100)
    refused: list[dict[str, str]] = [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": "http://localhost"},
        {"origin": "https://elsewhere.example"},
        {"origin": "http://localhost.elsewhere.example"},
        {"origin": "http://localhost:81"},
        {"origin": "null"},
        {"origin": ""},
    ]
    for headers in refused:
        for path, sent in (("send", body()), ("state", {"code": "x"}), ("withdraw", {"code": "x"})):
            problem(client.post(f"{PAGE}/{path}", json=sent, headers=headers), 403, "denied")
    allowed: list[dict[str, str]] = [{"sec-fetch-site": "same-origin"}, {"origin": "https://localhost"}, {}]
    for headers in allowed:
        assert client.post(f"{PAGE}/send", json=body(), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"once": "abc"}, "once"),
        ({"pictures": []}, "pictures"),
        ({"pictures": [{"sha256": "0" * 64, "name": "me.jpg"}]}, "pictures[0].name"),
        ({"pictures": [{"pdq": PDQ, "quality": 90}]}, "pictures[0].sha256"),
        ({"pictures": [{"sha256": "0" * 64, "pdq": PDQ}]}, "pictures[0].quality"),
        ({"pictures": [{"sha256": "0" * 64, "pdq": PDQ, "quality": 10}]}, "pictures[0].quality"),
        ({"pictures": [{"sha256": "0" * 64, "pdq": "0" * 64, "quality": 90}]}, "pictures[0].pdq"),
        ({"age": "7-10"}, "age"),
    ],
)
def test_what_is_no_report_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    fakes, client = pages()
    assert problem(client.post(f"{PAGE}/send", json={**body(), **change}), 400, "invalid")["field"] == field
    assert fakes.self_reports.sent == {}


def test_only_small_json_is_read() -> None:
    _, client = pages(reports_an_hour=100)
    problem(client.send(f"{PAGE}/send", b"{}", "text/plain"), 415, "unsupported_media_type")
    problem(client.send(f"{PAGE}/send", b"once=1", "application/x-www-form-urlencoded"), 415, "unsupported_media_type")
    problem(client.send(f"{PAGE}/send", b" " * (MAX_BODY + 1)), 413, "too_large")
    problem(client.post(f"{PAGE}/send", json=body(pictures=body()["pictures"] * 11)), 413, "too_large")
    ten = body(pictures=[{"sha256": f"{n:064x}", "pdq": PDQ, "quality": 100} for n in range(10)])
    assert len(msgspec.json.encode(ten)) < MAX_BODY / 2
    problem(client.post(f"{PAGE}/send?x=1", json=body()), 400, "invalid")
    problem(client.get(f"{PAGE}?age=7-10"), 400, "invalid")
    problem(client.get(f"{PAGE}/send"), 405, "method_not_allowed")


def test_one_address_may_send_only_so_often_and_another_is_not_kept_from_it() -> None:
    fakes, client = pages(reports_an_hour=3, looks_a_minute=4)
    codes = [client.post(f"{PAGE}/send", json=body(n)).json()["code"] for n in range(3)]
    answer = client.post(f"{PAGE}/send", json=body(4))
    problem(answer, 429, "rate_limited")
    assert 60 < int(answer.headers["retry-after"]) <= 1200
    assert len(fakes.self_reports.sent) == 3
    other = Client(client.app, address="10.0.0.9")
    assert other.post(f"{PAGE}/send", json=body(5)).status_code == 200
    statuses = [client.post(f"{PAGE}/state", json={"code": codes[0]}).status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert client.post(f"{PAGE}/withdraw", json={"code": codes[0]}).status_code == 429


def test_a_network_of_ipv6_is_one_client() -> None:
    _, client = pages(reports_an_hour=1)
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "::ffff:10.0.0.1", "10.0.0.1"]
    statuses = [Client(client.app, address=a).post(f"{PAGE}/send", json=body()).status_code for a in addresses]
    assert statuses == [200, 429, 200, 200, 429]


def test_behind_a_proxy_its_word_for_the_address_is_taken_and_no_other() -> None:
    _, client = pages(reports_an_hour=1, address_header="X-Forwarded-For")

    def send(forwarded: str) -> int:
        return client.post(f"{PAGE}/send", json=body(), headers={"x-forwarded-for": forwarded}).status_code

    assert [send("10.1.1.1"), send("10.1.1.2"), send("10.9.9.9, 10.1.1.1"), send("nonsense"), send("else")] == [200, 200, 429, 200, 429]
    few = Fakes()
    proxied = WebConfig(family=FamilyConfig(address_header="x-forwarded-for"), page_rate_per_minute=6)
    opened = Client(create_app(few.services, proxied))
    loads = [opened.get(PAGE, headers={"x-forwarded-for": address}).status_code for address in ("10.1.1.1", "10.1.1.2", "10.1.1.1")]
    assert loads == [200, 200, 429]
    _, plain = pages(reports_an_hour=1)
    told = [plain.post(f"{PAGE}/send", json=body(), headers={"x-forwarded-for": f"10.1.1.{n}"}).status_code for n in range(2)]
    assert told == [200, 429]


def test_when_the_hour_is_used_up_it_says_come_back() -> None:
    fakes, client = pages()
    fakes.self_reports.fault = Busy("as many reports as an hour may bring have come; try again later")
    problem(client.post(f"{PAGE}/send", json=body()), 503, "busy")


def test_switched_off_or_closing() -> None:
    fakes, client = pages(page="closing")
    problem(client.post(f"{PAGE}/send", json=body()), 404, "not_found")
    assert 'data-go="choose"' not in client.get(PAGE).text.partition('data-step="choose"')[0]
    code = "".join(fakes.self_reports.submit("0" * 32, [_prints()]))
    assert client.post(f"{PAGE}/withdraw", json={"code": code}).json() == {"state": "withdrawn"}
    fakes, client = pages(page="off")
    for answer in (client.get(PAGE), client.post(f"{PAGE}/send", json=body()), client.post(f"{PAGE}/state", json={"code": code})):
        problem(answer, 404, "not_found")


def _prints() -> Any:
    from nightlight.core.fingerprint import Fingerprint, FingerprintKind

    return [Fingerprint(FingerprintKind.SHA256, "0" * 64)]


def test_the_page_leaves_nothing_behind_and_reaches_nobody() -> None:
    _, client = pages(leave_to="https://play.example/", service="Sky Meadow <b>", helplines=(Helpline(name="Line", contact="116 111"),))
    answer = client.get(PAGE, headers={"accept-language": "es-MX,en;q=0.5"})
    assert answer.headers["cache-control"] == "no-store" and answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers and "etag" not in answer.headers
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "data:" not in policy and "*" not in policy
    text = answer.text
    assert '<html lang="es" dir="ltr">' in text and "Proteger mi foto" in text and "Sky Meadow &lt;b&gt;" in text and "<b>" not in text
    assert 'href="tel:116111"' in text and 'href="https://play.example/"' in text
    away = set(re.findall(r"(?:src|href|action)=\"(https?:[^\"]*)\"", text))
    assert away == {"https://takeitdown.ncmec.org/", "https://www.childline.org.uk/remove", "https://play.example/"}
    assert not re.search(r"<[^>]+\s(?:style|on\w+)=", text) and "<form action" not in text
    loaded = set(re.findall(r"(?:src|href)=\"(/[^\"]*)\"", text))
    shared = {f"/family/static/{name}" for name in ("family.svg", "family.css")}
    assert loaded == shared | {f"{PAGE}/static/protect.js"}
    total = len(answer.content)
    for name in (*shared, "/family/static/leave.js", *(f"{PAGE}/static/{file}" for file in FILES)):
        file = client.get(name)
        assert (file.status_code, file.headers["cache-control"]) == (200, "no-store")
        assert not re.search(r"https?://(?!www\.w3\.org)|localStorage|sessionStorage|indexedDB|document\.cookie|sendBeacon", file.text), (
            name
        )
        total += len(file.content)
    assert total < 200_000
    problem(client.get(f"{PAGE}/static/protect.html"), 404, "not_found")
    problem(client.get(f"{PAGE}/static/..%2fwords.py"), 404, "not_found")


def test_without_javascript_the_page_says_where_else_to_go() -> None:
    _, client = pages()
    plain = client.get(PAGE).text.partition("<noscript>")[2].partition("</noscript>")[0]
    for words in ("takeitdown.ncmec.org", "childline.org.uk/remove", "danger right now", "isn&#39;t your fault"):
        assert words in plain


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("0800 1111", "tel:08001111"),
        ("+34 (0)116-111", "tel:+340116111"),
        ("https://help.example/chat", "https://help.example/chat"),
        ("help.example/chat", "https://help.example/chat"),
        ("javascript:alert(1)", None),
        ("Ask at the front desk", None),
        ("SMS HELP to 85258", None),
    ],
)
def test_a_helpline_is_linked_only_where_it_leads_somewhere(contact: str, link: str | None) -> None:
    assert link_of(Helpline(name="x", contact=contact)) == link


# -- reviewers -----------------------------------------------------------------------------------------------------------------------


def test_reviewers_see_who_waits_and_end_it() -> None:
    fakes, client = service(None, Scope.BANKS_WRITE)
    codes = [fakes.self_reports.submit(f"{n:06x}{n:026x}", [_prints()]) for n in range(3)]
    page = client.get("/v1/self-reports?limit=2").json()
    assert len(page["self_reports"]) == 2 and page["next"]
    rest = client.get(f"/v1/self-reports?after={page['next']}").json()
    assert (len(rest["self_reports"]), rest["next"]) == (1, None)
    assert "0" * 64 not in str(page)
    id = page["self_reports"][0]["id"]
    assert client.post(f"/v1/self-reports/{id}/look").json()["state"] == "looking"
    assert fakes.self_reports.state(codes[0]) is SelfReportState.LOOKING
    assert client.post(f"/v1/self-reports/{id}/finish", json={"keep": False}).json()["kept"] is False
    problem(client.post(f"/v1/self-reports/{id}/finish", json={}), 400, "invalid")
    problem(client.post("/v1/self-reports/none/look"), 404, "not_found")
    _, reader = service(None, Scope.BANKS_READ, Scope.SAFETY_READ)
    problem(reader.get("/v1/self-reports"), 403, "denied")


def test_where_nothing_takes_them_there_is_nothing() -> None:
    fakes = Fakes()
    app = create_app(msgspec.structs.replace(fakes.services, self_reports=None))
    client = Client(app, fakes.keys.add("all", *Scope))
    for answer in (client.get(PAGE), client.post(f"{PAGE}/send", json=body()), client.get("/v1/self-reports")):
        problem(answer, 404, "not_found")


# -- words ---------------------------------------------------------------------------------------------------------------------------

LONGEST = {Reader.CHILD: 15, Reader.MIDDLE: 27, Reader.TEEN: 30}
MEAN = {Reader.CHILD: 8.5, Reader.MIDDLE: 11.5, Reader.TEEN: 13.0}
"""Words a sentence. Readability formulas are made for long texts; for short ones the sentence is what decides."""
BLAMING = re.compile(
    r"you sent|you should have|you should not|illegal|crime|self.generated|naked|nude|porn|shame|stupid|mistake you"
    r"|enviaste|deber[ií]as haber|no debiste|ilegal|delito|desnud|verg[uü]enza|autogenerad",
    re.IGNORECASE,
)


def sentences(text: str) -> list[list[str]]:
    plain = text.replace("{service}", "app").replace("...", "")
    return [found for part in re.split(r"[.!?:;]+(?:\s|$)", plain) if (found := re.findall(r"[\w'-]+", part))]


def test_every_reader_and_language_has_the_same_keys() -> None:
    from importlib.resources import files

    shapes = {}
    for language in LANGUAGES:
        raw = tomllib.loads(files("nightlight.web.family").joinpath("words", f"protect.{language}.toml").read_text("utf-8"))
        assert set(raw) == {"all", *Reader}
        assert len({frozenset(raw[reader]) for reader in Reader}) == 1
        assert not set(raw["all"]) & set(raw[Reader.CHILD])
        shapes[language] = {
            (part, key): frozenset(re.findall(r"\{\w+\}", text)) for part, words in raw.items() for key, text in words.items()
        }
    assert shapes["en"] == shapes["es"]


def test_every_word_that_the_page_asks_for_is_there_and_none_is_left_over() -> None:
    from importlib.resources import files

    folder = files("nightlight.web.family")
    page = folder.joinpath("templates", "protect.html").read_text("utf-8") + folder.joinpath("static", "protect.js").read_text("utf-8")
    known = set(catalogue("protect", "en")[Reader.CHILD])
    families = {f"{f}_{x}" for f, many in _FAMILIES.items() for x in many}
    assert families <= known
    assert {key for key in known if not re.search(rf"\b{key}\b", page)} - families == set()
    asked = set(re.findall(r"(?:words|say|complain)\(\s*\"([a-z_0-9]+)\"", page)) | set(re.findall(r"data-words=\"([a-z_0-9]+)\"", page))
    assert asked - known == set()


_FAMILIES = {
    "state": list(SelfReportState),
    "exact": ["plain", "unreadable", "video", "browser"],
    "about": "1234",
    "cannot": "1234",
    "age": ["7_10", "11_13", "14_17"],
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reader", list(Reader))
def test_sentences_are_as_short_as_their_reader_needs(language: str, reader: Reader) -> None:
    own = catalogue("protect", language)[reader]
    found = [(len(words), " ".join(words)) for text in own.values() for words in sentences(text)]
    assert max(found)[0] <= LONGEST[reader], max(found)
    assert sum(count for count, _ in found) / len(found) <= MEAN[reader]
    letters = [len(word) for text in own.values() for words in sentences(text) for word in words]
    assert sum(letters) / len(letters) <= {"en": 4.6, "es": 5.1}[language]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reader", list(Reader))
def test_no_word_blames_frightens_or_promises(language: str, reader: Reader) -> None:
    for key, text in catalogue("protect", language)[reader].items():
        assert not BLAMING.search(text), key
    words = catalogue("protect", language)[reader]
    promise, fault = {"en": ("promise", "isn't your fault"), "es": ("prometer", "No es culpa tuya")}[language]
    # Whoever is threatened is told on the first screen, whatever the age, and in words that suppose nothing of what went before.
    threat, more = {"en": ("threatening you", "anything more"), "es": ("te amenaza", "nada más")}[language]
    assert threat in words["danger_title"] and more not in words["danger_text"]
    assert promise in words["cannot_2"] and fault in words["fault"] and "{service}" in words["cannot_1"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-419, en;q=0.9", "es"),
        ("fr, es;q=0.4, en;q=0.8", "en"),
        ("de", "en"),
        ("es;q=0, en;q=0.1", "en"),
        ("es;q=x", "en"),
        ("," * 500, "en"),
    ],
)
def test_the_first_language_shown(header: str, language: str) -> None:
    assert language_of(header) == language
