"""`/v1/...:screen`: who may reach, give to, add, be suggested to and see whom. Answers are neutral codes, by position."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response
from msgspec import Meta, Struct

from nightlight.core.errors import NotFound
from nightlight.core.gates import (
    MAX_ASKED,
    Answered,
    ContactAsked,
    Ended,
    GateService,
    GiftAsked,
    GroupAsked,
    Offered,
    Outcome,
    Paired,
    PairingAccept,
    PairingEnd,
    PairingOffer,
    RecommendationAsked,
    TrustedContact,
    TrustService,
    VisibilityAsked,
)
from nightlight.core.services import Scope
from nightlight.web.api.banks import body_of, name_in_path
from nightlight.web.api.wire import Body
from nightlight.web.bodies import Req, decode, query
from nightlight.web.hands import caller_of, hands_of
from nightlight.web.route import Doc, endpoint, json_response

_Asked = Meta(min_length=1, max_length=MAX_ASKED)


class ContactQuestions(Body, frozen=True, kw_only=True):
    asked: Annotated[tuple[ContactAsked, ...], _Asked]


class GiftQuestions(Body, frozen=True, kw_only=True):
    asked: Annotated[tuple[GiftAsked, ...], _Asked]


class GroupQuestions(Body, frozen=True, kw_only=True):
    asked: Annotated[tuple[GroupAsked, ...], _Asked]


class RecommendationQuestions(Body, frozen=True, kw_only=True):
    asked: Annotated[tuple[RecommendationAsked, ...], _Asked]


class VisibilityQuestions(Body, frozen=True, kw_only=True):
    asked: Annotated[tuple[VisibilityAsked, ...], _Asked]


class GateAnswers(Struct, frozen=True):
    """One answer a question, in the order they were asked."""

    results: tuple[Answered, ...]


class RecommendationAnswers(Struct, frozen=True):
    results: tuple[Answered, ...]
    allowed: tuple[int, ...]
    """Positions of the pairs that may be shown."""


class TrustedContactList(Struct, frozen=True):
    contacts: tuple[TrustedContact, ...]


_contacts = msgspec.json.Decoder(ContactQuestions)
_gifts = msgspec.json.Decoder(GiftQuestions)
_groups = msgspec.json.Decoder(GroupQuestions)
_recommendations = msgspec.json.Decoder(RecommendationQuestions)
_visibility = msgspec.json.Decoder(VisibilityQuestions)
_offer = msgspec.json.Decoder(PairingOffer)
_accept = msgspec.json.Decoder(PairingAccept)
_end = msgspec.json.Decoder(PairingEnd)


def _doc(summary: str, description: str, body: Any, answer: Any = GateAnswers) -> Doc:
    return Doc(summary=summary, description=description, tag="Gates", body=body, answers={200: answer}, problems=(404,))


async def _screened(request: Req, decoder: msgspec.json.Decoder[Any], ask: Callable[[GateService, Any], Sequence[Answered]]) -> Any:
    found = hands_of(request).services.gates
    if found is None:
        raise NotFound("there are no gates here")
    asked = decode(await body_of(request), decoder).asked
    return tuple(await asyncio.to_thread(ask, found, asked))


@endpoint(
    "POST",
    "/contacts:screen",
    _doc(
        "May one account reach another",
        "Asked before a message, a call or a contact request passes. The same in both directions: what a child begins with an adult, the "
        "adult goes on with.",
        ContactQuestions,
    ),
    Scope.GATES_ASK,
)
async def screen_contacts(request: Req) -> Response[bytes]:
    return json_response(GateAnswers(await _screened(request, _contacts, lambda gates, asked: gates.contacts(asked))))


@endpoint("POST", "/gifts:screen", _doc("May one account give another something", "", GiftQuestions), Scope.GATES_ASK)
async def screen_gifts(request: Req) -> Response[bytes]:
    return json_response(GateAnswers(await _screened(request, _gifts, lambda gates, asked: gates.gifts(asked))))


@endpoint(
    "POST",
    "/groups:screen",
    _doc(
        "May one account add another to a group",
        "Name who is in it as `others`, with their relation to the target. Left out, one of them counts as a stranger of unknown age.",
        GroupQuestions,
    ),
    Scope.GATES_ASK,
)
async def screen_groups(request: Req) -> Response[bytes]:
    return json_response(GateAnswers(await _screened(request, _groups, lambda gates, asked: gates.groups(asked))))


@endpoint(
    "POST",
    "/recommendations:screen",
    _doc(
        "May `target` be suggested to `actor`",
        "For suggestions, searches by name, matches, lobbies: any list in which somebody is found. `allowed` holds the positions that may "
        "be shown.",
        RecommendationQuestions,
        RecommendationAnswers,
    ),
    Scope.GATES_ASK,
)
async def screen_recommendations(request: Req) -> Response[bytes]:
    results = await _screened(request, _recommendations, lambda gates, asked: gates.recommendations(asked))
    allowed = tuple(number for number, answer in enumerate(results) if answer.outcome is Outcome.ALLOW)
    return json_response(RecommendationAnswers(results, allowed))


@endpoint(
    "POST",
    "/visibility:screen",
    _doc("May `actor` see something of `target`", "Connections, rank, rewards, location, profile media, activity.", VisibilityQuestions),
    Scope.GATES_ASK,
)
async def screen_visibility(request: Req) -> Response[bytes]:
    return json_response(GateAnswers(await _screened(request, _visibility, lambda gates, asked: gates.visibility(asked))))


# -- trusted contacts ----------------------------------------------------------------------------------------------------------------


def _trust(request: Req) -> TrustService:
    found = hands_of(request).services.trust
    if found is None:
        raise NotFound("there are no trusted contacts here")
    return found


@endpoint(
    "POST",
    "/trusted-contacts:offer",
    Doc(
        summary="Make a code for somebody who wants to pair with a person beside them",
        description="Show it on their screen and send it nowhere. It is good for minutes, and an earlier one is over.",
        tag="Trusted contacts",
        body=PairingOffer,
        answers={200: Offered},
        problems=(404, 503),
    ),
    Scope.TRUST_WRITE,
)
async def offer_pairing(request: Req) -> Response[bytes]:
    offer = decode(await body_of(request), _offer)
    return json_response(await asyncio.to_thread(_trust(request).offer, offer, caller_of(request).id))


@endpoint(
    "POST",
    "/trusted-contacts:accept",
    Doc(
        summary="The other person typed the code",
        description="`paired`, `wrong_code`, `wait` (too many wrong ones) or `not_available`, which says nothing of why. A code is over "
        "with the first try that finds it.",
        tag="Trusted contacts",
        body=PairingAccept,
        answers={200: Paired},
        problems=(404,),
    ),
    Scope.TRUST_WRITE,
)
async def accept_pairing(request: Req) -> Response[bytes]:
    accept = decode(await body_of(request), _accept)
    return json_response(await asyncio.to_thread(_trust(request).accept, accept, caller_of(request).id))


@endpoint(
    "POST",
    "/trusted-contacts:end",
    Doc(
        summary="One of the two ends it",
        description="At once and for both; the other is not to be told who did.",
        tag="Trusted contacts",
        body=PairingEnd,
        answers={200: Ended},
        problems=(404,),
    ),
    Scope.TRUST_WRITE,
)
async def end_pairing(request: Req) -> Response[bytes]:
    end = decode(await body_of(request), _end)
    return json_response(await asyncio.to_thread(_trust(request).end, end, caller_of(request).id))


@endpoint(
    "GET",
    "/accounts/{account:str}/trusted-contacts",
    Doc(
        summary="The trusted contacts of an account, the latest first",
        tag="Trusted contacts",
        answers={200: TrustedContactList},
        problems=(400, 404),
    ),
    Scope.TRUST_WRITE,
)
async def list_trusted_contacts(request: Req) -> Response[bytes]:
    query(request)
    account = name_in_path(request, "account")
    return json_response(TrustedContactList(tuple(await asyncio.to_thread(_trust(request).contacts, account))))


ROUTES = (
    screen_contacts,
    screen_gifts,
    screen_groups,
    screen_recommendations,
    screen_visibility,
    offer_pairing,
    accept_pairing,
    end_pairing,
    list_trusted_contacts,
)
