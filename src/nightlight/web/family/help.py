"""`/with-you`: somebody is threatened, or worried about a picture, and is led step by step.

All steps are one address, and each is asked for with a POST, so that no step is in a history and none can be looked at again. What the
page knows travels in its own hidden fields: no cookie, nothing in a browser's storage, nothing in an address. Whoever comes by a link of
the service has a token with them, and the first tap with it keeps the messages of that conversation for a short while.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec
from litestar import Response
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from nightlight.core.errors import Busy, Conflict, Invalid, NightlightError, NotFound
from nightlight.core.event import AgeBand, ReportCategory
from nightlight.core.help import MOST_REPORT_TEXT, MOST_TOKEN, HelpReport, HelpVisit
from nightlight.web.bodies import Req, header, media_type, query, read
from nightlight.web.family.guards import same_site_guard
from nightlight.web.family.lines import Line, lines_for
from nightlight.web.family.pages import PAGE_HEADERS, environment, language_asked, layout, static
from nightlight.web.family.steps import CATEGORIES, LINES, MOST_LINES, ORDER, Door, Step, around
from nightlight.web.family.words import LANGUAGES, Reader, catalogue, words_of
from nightlight.web.guards import client_of
from nightlight.web.hands import hands_of
from nightlight.web.problems import STATUS, Throttled
from nightlight.web.route import Doc, page, posted

PATH = "/with-you"
SPOKEN = "/help-now"
"""Easy to say and to remember; it leads to the other at once, which says less to whoever reads a history."""
TAG = "Families"
MAX_FORM = 64 * 1024
MAX_FIELDS = 20
FIELDS = frozenset({"to", "at", "door", "reader", "lang", "place", "link", "once", "category", "text", "name", "code"})
FILES = {"help.css": "text/css", "help.js": "text/javascript"}
CSP = PAGE_HEADERS["content-security-policy"].replace("form-action 'none'", "form-action 'self'")
READERS = {
    AgeBand.A0_6: Reader.CHILD,
    AgeBand.A7_9: Reader.CHILD,
    AgeBand.A10_12: Reader.MIDDLE,
    AgeBand.A13_15: Reader.TEEN,
    AgeBand.A16_17: Reader.TEEN,
}
ERRORS: tuple[tuple[type[NightlightError], str], ...] = (
    (Throttled, "error_rate"),
    (Busy, "error_busy"),
    (Conflict, "error_sent"),
)


class State(Struct, frozen=True, kw_only=True):
    """What the page's hidden fields say."""

    step: Step = Step.START
    door: Door = Door.THREAT
    reader: Reader = Reader.MIDDLE
    language: str
    place: str = ""
    """Two letters; empty: not known."""
    link: str = ""
    once: str = ""
    visit: HelpVisit | None = None
    chosen: bool = False
    """Whether the page was there before: then its words stay those of its reader, whatever a link says of their age."""
    told: Mapping[str, str] = {}
    """What was typed, to be shown again where something was wrong with it."""
    error: str = ""
    code: str = ""
    answer: tuple[str, str] | None = None


def config_of(request: Req) -> Any:
    config = hands_of(request).config.family
    if config.help == "off":
        raise NotFound("this page is switched off")
    return config


@page(
    SPOKEN,
    Doc(summary="Leads to /with-you", tag=TAG, answers={303: None}, problems=(400, 404)),
)
async def spoken(request: Req) -> Response[None]:
    query(request)
    config_of(request)
    return Response(None, status_code=303, headers={"location": PATH})


@page(
    PATH,
    Doc(
        summary="Help, step by step, for somebody who is threatened or worried about a picture of them",
        description="English and Spanish, for three ages. It stores nothing, and nobody is told of the visit.",
        tag=TAG,
        answers={200: str},
        query={"lang": (Literal["en", "es"], "the language; by default what the browser asks for")},
        problems=(400, 404),
        media_type="text/html",
    ),
)
async def help_page(request: Req) -> Response[str]:
    config = config_of(request)
    language, _ = language_asked(request, query(request, "lang"))
    return answer(request, State(language=language, place=guessed(request, config.place)))


@page(
    PATH + "/static/{name:str}",
    Doc(summary="Style and script of that page", tag=TAG, answers={200: str}, problems=(404,), media_type="*/*"),
)
async def help_file(request: Req) -> Response[bytes]:
    name = str(request.path_params["name"])
    if name not in FILES:
        raise NotFound("there is no such file")
    return Response(static(name), media_type=FILES[name])


@posted(
    PATH,
    Doc(
        summary="The next step of that page",
        description="A form of the page itself, or of a service that sends somebody here: the field `link` with a token of "
        "`POST /v1/help-links`, and nothing else.",
        tag=TAG,
        answers={200: str},
        problems=(400, 403, 404, 408, 409, 413, 415, 503),
        media_type="text/html",
    ),
)
async def help_step(request: Req) -> Response[str]:
    config = config_of(request)
    query(request)
    form = await form_of(request)
    state = await opened(request, state_of(request, form, config.place))
    asked = form.get("to", "")
    try:
        if asked == "send":
            return answer(request, await sent(request, state, form))
        if asked == "look":
            return answer(request, await looked_up(request, state, form))
    except (Invalid, Busy, Conflict, Throttled, NotFound) as error:
        status = next((STATUS[cls] for cls in type(error).__mro__ if cls in STATUS), 400)
        return answer(request, msgspec.structs.replace(state, error=words_for(error, asked), told=form), status)
    return answer(request, state)


# -- reading what the page said ------------------------------------------------------------------------------------------------------


async def form_of(request: Req) -> dict[str, str]:
    """A form's fields, each once. Raises Invalid, TooLarge. Empty where nothing was sent."""
    body = await read(request, MAX_FORM, hands_of(request).config.body_deadline_s)
    if not body:
        return {}
    if media_type(request) != "application/x-www-form-urlencoded":
        raise Invalid("send a form")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Invalid("the form cannot be read") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in FIELDS or name in found or "\0" in value:
            raise Invalid("the form cannot be read")
        found[name] = value.replace("\r\n", "\n")
    return found


def state_of(request: Req, form: Mapping[str, str], place: str | None) -> State:
    """Where the form stands and where it wants to. Raises Invalid for what the page never offers."""
    door, reader = one_of(Door, form, "door", Door.THREAT), one_of(Reader, form, "reader", None)
    at, to = one_of(Step, form, "at", Step.START), form.get("to", "")
    step = at
    if to.startswith("door-"):
        door, step = one_of(Door, {"to": to[5:]}, "to", Door.THREAT), Step.FAULT
    elif to.startswith("reader-"):
        reader = one_of(Reader, {"to": to[7:]}, "to", Reader.MIDDLE)
    elif to.startswith("lang-"):
        pass
    elif to not in ("", "show", "send", "look"):
        step = one_of(Step, form, "to", Step.START)
    if step is Step.SENT and to != "send":
        step = Step.REPORT  # there is nothing to be shown there but a code, which is told once
    language = to[5:] if to.startswith("lang-") else form.get("lang") or language_asked(request, {})[0]
    if language not in LANGUAGES:
        raise Invalid("one of the languages of the page", field="lang")
    chosen = form.get("place")
    if chosen is None:
        chosen = guessed(request, place)
    elif not re.fullmatch(r"(?:[A-Z]{2})?", chosen):
        raise Invalid("two letters", field="place")
    link, once = form.get("link", ""), form.get("once", "")
    if len(link) > MOST_TOKEN:
        raise Invalid("that is no link", field="link")
    if once and not re.fullmatch(r"[0-9a-f]{32}", once):
        raise Invalid("32 lower-case hexadecimal digits", field="once")
    return State(
        step=step,
        door=door,
        reader=reader or Reader.MIDDLE,
        language=language,
        place=chosen,
        link=link,
        once=once,
        chosen=reader is not None,
    )


def one_of(kind: Any, form: Mapping[str, str], name: str, default: Any) -> Any:
    given = form.get(name)
    if given is None or given == "":
        return default
    try:
        return kind(given)
    except ValueError:
        raise Invalid("one that the page offers", field=name) from None


def guessed(request: Req, place: str | None) -> str:
    """The country that the browser's languages name, else the operator's: only to begin with, and they can choose another."""
    named = re.search(r"(?:^|[,\s])[a-z]{2}-([A-Z]{2})\b", header(request, b"accept-language")[:200])
    known = hands_of(request).services.helplines.places()
    return named[1] if named and named[1] in known else (place or "")[:2]


async def opened(request: Req, state: State) -> State:
    """With what the token stands for: the first time, this keeps the messages. One that is over is told of once, and let go."""
    help = hands_of(request).services.help
    if not state.link:
        return state
    try:
        if help is None:
            raise NotFound("nothing is kept here")
        visit = await asyncio.to_thread(help.opened, state.link)
    except NotFound:
        return msgspec.structs.replace(state, link="", error="old_link")
    if state.chosen:
        return msgspec.structs.replace(state, visit=visit)
    of_account = visit.account.place
    return msgspec.structs.replace(
        state,
        visit=visit,
        reader=READERS.get(visit.account.age_band, state.reader),
        place=of_account[:2] if of_account else state.place,
    )


# -- reporting -----------------------------------------------------------------------------------------------------------------------


def may_report(request: Req, state: State) -> bool:
    reports = hands_of(request).config.family.help_reports
    return hands_of(request).services.help is not None and (reports == "on" or (reports == "linked" and state.visit is not None))


async def sent(request: Req, state: State, form: Mapping[str, str]) -> State:
    await same_site(request)
    help = hands_of(request).services.help
    if help is None or not may_report(request, state):
        raise NotFound("nothing is reported here")
    if state.error:
        raise NotFound("this link is over")  # they meant to report somebody whom only the link named
    hands = hands_of(request)
    spent = hands.report_rates.spend(client_of(request), hands.config.family.reports_an_hour)
    if not spent.allowed:
        raise Throttled(spent.wait_s)
    category = form.get("category") or ReportCategory.THREATENED.value
    if category not in [c.value for c in CATEGORIES] or not state.once:
        raise Invalid("one that the page offers", field="category")
    text, name = form.get("text", ""), form.get("name", "").strip()
    if len(text) > MOST_REPORT_TEXT or len(name) > 200:
        raise Invalid("too long", field="text")
    report = HelpReport(once=state.once, category=ReportCategory(category), text=text, name=name)
    received = await asyncio.to_thread(help.report, state.link or None, report)
    return msgspec.structs.replace(state, step=Step.SENT, code=received.code)


async def looked_up(request: Req, state: State, form: Mapping[str, str]) -> State:
    await same_site(request)
    hands = hands_of(request)
    if hands.services.user_reports is None:
        raise NotFound("this code is not known", field="code")
    spent = hands.code_rates.spend(client_of(request), hands.config.family.looks_a_minute)
    if not spent.allowed:
        raise Throttled(spent.wait_s)
    told = await asyncio.to_thread(hands.services.user_reports.told, form.get("code", "") or "-")
    words = hands.services.messages[state.language][told.message]
    return msgspec.structs.replace(state, step=Step.END, answer=(words.title, words.body))


async def same_site(request: Req) -> None:
    """Of a form that does something. A page that names no referrer has its forms say `Origin: null`, which is then no news."""
    headers = dict(request.scope["headers"])
    if b"sec-fetch-site" in headers or headers.get(b"origin") != b"null":
        await same_site_guard(request, None)  # type: ignore[arg-type]  # the guard does not look at the handler


def words_for(error: NightlightError, asked: str) -> str:
    if asked == "look" and isinstance(error, NotFound):
        return "error_unknown"
    if isinstance(error, NotFound):
        return "error_old"
    if isinstance(error, Invalid):
        return {"code": "error_typo", "name": "error_name"}.get(error.field or "", "error_other")
    return next((words for kind, words in ERRORS if isinstance(error, kind)), "error_other")


# -- showing -------------------------------------------------------------------------------------------------------------------------


def answer(request: Req, state: State, status: int = 200) -> Response[str]:
    config = config_of(request)
    hands = hands_of(request)
    words = {**words_of("common", state.language), **catalogue("help", state.language)[state.reader.value]}
    way = ORDER[state.door]
    lines: list[Line] = lines_for(hands.services.helplines, config.helplines, state.place, LINES.get(state.step, ()))
    before, after = around(state.door, state.step) if state.step in way else (Step.START, Step.END)
    values = layout(request, config, state.language, chosen=False) | {
        "words": words,
        "state": state,
        "named": config.service or words["this_service"],
        "way": way,
        "number": way.index(state.step) + 1 if state.step in way else 0,
        "before": before.value,
        "after": after.value,
        "lines": lines[: MOST_LINES.get(state.step, len(lines))],
        "places": sorted(
            ((tag, words_of("places", state.language)[tag]) for tag in hands.services.helplines.places()), key=lambda p: str(p[1])
        ),
        "readers": list(Reader),
        "categories": CATEGORIES,
        "once": state.once or secrets.token_hex(16),
        "may_report": may_report(request, state),
        "page": PATH,
        "picture_page": config.page != "off" and hands.services.self_reports is not None,
        "until": "" if state.visit is None else day(state.visit),
    }
    body = environment().get_template("help.html").render(**values)
    headers = PAGE_HEADERS | {"content-language": state.language, "content-security-policy": CSP}
    return Response(body, status_code=status, media_type="text/html", headers=headers)


def day(visit: HelpVisit) -> str:
    """As both languages read it without doubt: no month and day to be mistaken for each other."""
    return visit.kept_until.date().isoformat()


@HTTPRouteHandler(PATH, http_method="OPTIONS", status_code=204, include_in_schema=False)
async def help_options() -> Response[None]:
    """The router's own would name the first method of a path alone."""
    return Response(None, status_code=204, headers={"allow": "GET, OPTIONS, POST"})


HELP_ROUTES = (help_options, spoken, help_page, help_file, help_step)
