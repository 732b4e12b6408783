"""Signing in and out, enrolling, and one's own sessions."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from litestar import Response

from nightlight.core.errors import Invalid, NightlightError, NotFound, Unauthenticated
from nightlight.core.staff import EVERYBODY, Role
from nightlight.web.bodies import Req, header, query
from nightlight.web.console import qr
from nightlight.web.console.access import (
    Form,
    field,
    in_path,
    is_secure,
    maybe_signed_in,
    posted,
    reviewers_of,
    secret_of_session,
    set_cookie,
    shown,
    signed_in,
)
from nightlight.web.console.render import FILES, LANGUAGE_COOKIE, page, redirect, static
from nightlight.web.console.words import LANGUAGES
from nightlight.web.guards import client_of
from nightlight.web.hands import hands_of
from nightlight.web.problems import Throttled

HOME = "/console"
TRIES, TRIES_EACH = 40, 10
"""Sign-ins in five minutes from one address, and with one name. Held in memory: a flood forgets the longest unused."""


@shown("/static/{name:path}", anyone=True)
async def static_file(request: Req) -> Response[bytes]:
    name = str(request.path_params["name"]).lstrip("/")
    if name not in FILES:
        raise NotFound("there is no such file")
    # The address of a file changes with what is in it.
    keep = {"cache-control": "public, max-age=31536000, immutable"} if request.query_params.get("v") else {}
    return Response(static(name), media_type=FILES[name], headers=keep)


@shown("/sign-in", anyone=True)
async def sign_in_page(request: Req) -> Response[Any]:
    found = query(request, "next")
    if maybe_signed_in(request) is not None:
        return redirect(HOME)
    return page(request, "sign_in.html", onward=onward(found.get("next", "")), id="", wrong=None)


@posted("/sign-in", anyone=True)
async def sign_in(request: Req, form: Form) -> Response[Any]:
    id = field(form, "id", 100)
    after = onward(form.get("next", ""))
    rates = hands_of(request).sign_in_rates
    for name, most in ((f"from {client_of(request)}", TRIES), (f"as {id.casefold()}", TRIES_EACH)):
        spent = rates.spend(name, most)
        if not spent.allowed:
            raise Throttled(spent.wait_s)
    try:
        browser = browser_of(header(request, b"user-agent"))
        secret = await asyncio.to_thread(
            reviewers_of(request).sign_in, id, form.get("password", "")[:1000], field(form, "code", 100), browser
        )
    except Unauthenticated as error:
        return page(request, "sign_in.html", status=401, onward=after, id=id, wrong=error)
    return redirect(after, cookies=(set_cookie(request, secret),))


@posted("/sign-out", *EVERYBODY)
async def sign_out(request: Req, form: Form) -> Response[Any]:
    await asyncio.to_thread(reviewers_of(request).sign_out, secret_of_session(request))
    return redirect("/console/sign-in", cookies=(set_cookie(request, ""),))


@shown("/enrol", anyone=True)
async def enrol_page(request: Req) -> Response[Any]:
    query(request)
    return page(request, "enrol.html", code="", enrolment=None, wrong=None, codes=())


@posted("/enrol", anyone=True)
async def enrol(request: Req, form: Form) -> Response[Any]:
    """First the one-time code alone, then with it the password and what the authenticator shows."""
    spent = hands_of(request).sign_in_rates.spend(f"enrol {client_of(request)}", TRIES)
    if not spent.allowed:
        raise Throttled(spent.wait_s)
    service = reviewers_of(request)
    code = field(form, "code", 100)
    try:
        enrolment = await asyncio.to_thread(service.enrolment, code)
    except Unauthenticated as error:
        return page(request, "enrol.html", status=401, code=code, enrolment=None, wrong=error, codes=())
    side, dark = qr.path(enrolment.uri)
    if "password" not in form:
        return page(request, "enrol.html", code=code, enrolment=enrolment, wrong=None, codes=(), side=side, dark=dark)
    wrong: NightlightError | None = None
    if form["password"] != form.get("again"):
        wrong = Invalid("again")
        wrong.field = "again"
    else:
        try:
            _, codes = await asyncio.to_thread(service.enrol, code, form["password"][:1000], field(form, "totp", 20))
            return page(request, "enrol.html", code="", enrolment=None, wrong=None, codes=codes)
        except Invalid as error:
            wrong = error
    return page(request, "enrol.html", status=400, code=code, enrolment=enrolment, wrong=wrong, codes=(), side=side, dark=dark)


@shown("/sessions", *EVERYBODY)
async def sessions_page(request: Req) -> Response[Any]:
    query(request)
    signed = signed_in(request)
    service = reviewers_of(request)
    mine = await asyncio.to_thread(service.sessions, signed.person.id)
    others = []
    if signed.person.role in (Role.LEAD, Role.ADMINISTRATOR):
        others = [one for one in await asyncio.to_thread(service.sessions) if one.person != signed.person.id]
    return page(request, "sessions.html", mine=mine, others=others, current=signed.session)


@posted("/sessions/{session:str}/end", *EVERYBODY)
async def end_session(request: Req, form: Form) -> Response[Any]:
    """One's own; a lead or an administrator ends anybody's."""
    signed = signed_in(request)
    service = reviewers_of(request)
    session = in_path(request, "session")
    whole = signed.person.role in (Role.LEAD, Role.ADMINISTRATOR)

    def work() -> None:
        # Looked for among those that one may end: whose another one is, is told to nobody.
        if session not in {one.id for one in service.sessions(None if whole else signed.person.id)}:
            raise NotFound("there is no such session", field="session")
        service.revoke(session, signed.person.staff.audit)

    await asyncio.to_thread(work)
    if session == signed.session:
        return redirect("/console/sign-in", cookies=(set_cookie(request, ""),))
    return redirect("/console/sessions")


@posted("/language", anyone=True)
async def choose_language(request: Req, form: Form) -> Response[Any]:
    chosen = form.get("language", "")
    if chosen not in LANGUAGES:
        raise Invalid("choose one", field="language")
    cookie = f"{LANGUAGE_COOKIE}={chosen}; Path=/console; HttpOnly; SameSite=Strict; Max-Age=31536000"
    return redirect(onward(form.get("next", "")), cookies=(cookie + ("; Secure" if is_secure(request) else ""),))


def onward(path: str) -> str:
    """Where somebody wanted to go: a page of the console, and nowhere else."""
    if re.fullmatch(r"/console(/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,79}){0,4}", path) and "/static" not in path and "/sign-in" not in path:
        return path
    return HOME


def browser_of(agent: str) -> str:
    """`Firefox on Linux`: enough for somebody to know their own, and no fingerprint."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "Browser")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{browser}, {system}" if system else browser


_BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"))

ROUTES = (
    static_file,
    sign_in_page,
    sign_in,
    sign_out,
    enrol_page,
    enrol,
    sessions_page,
    end_session,
    choose_language,
)
