"""`/v1/search:screen` and `/v1/trials/{trial}/outcomes`: searches before results are shown, and what came of a message.

A query is in no error, log or traceback: it is decoded where nothing is raised, and what carries it prints as its type's name.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response
from msgspec import UNSET, Meta, Struct, UnsetType

from nightlight.core.deterrence import (
    MAX_QUERY,
    MOST_SEARCHES,
    DeterrenceService,
    Hidden,
    Outcome,
    Place,
    SearchAnswer,
    SearchIn,
    Unprinted,
)
from nightlight.core.errors import Invalid, NightlightError, NotFound
from nightlight.core.event import AgeBand
from nightlight.core.services import Scope
from nightlight.web.api.banks import body_of, name_in_path
from nightlight.web.api.wire import Body, one_of
from nightlight.web.bodies import Req, decode
from nightlight.web.hands import hands_of
from nightlight.web.problems import of as problem_of
from nightlight.web.route import Doc, endpoint, json_response


class SearchBatch(Body, frozen=True, kw_only=True):
    """Several searches."""

    searches: Annotated[tuple[SearchIn, ...], Meta(min_length=1, max_length=MOST_SEARCHES)]


class SearchQuery(Body, frozen=True, kw_only=True):
    """One search, or several in `searches`: what is decoded. Described are the two."""

    query: Annotated[str, Meta(max_length=MAX_QUERY)] | UnsetType = UNSET
    age_band: AgeBand = AgeBand.UNKNOWN
    place: Place | None = None
    assignment: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    searches: Annotated[tuple[SearchIn, ...], Meta(min_length=1, max_length=MOST_SEARCHES)] | UnsetType = UNSET

    __repr__ = Unprinted.__repr__
    __str__ = Unprinted.__repr__
    __rich_repr__ = Unprinted.__rich_repr__


class SearchResults(Struct, frozen=True):
    """One result a search, in the order they were sent: an answer, or a problem (it has `status` and `code`)."""

    results: tuple[Annotated[Any, one_of("SearchAnswer", "Problem")], ...]


class ToldOutcome(Body, frozen=True, kw_only=True):
    token: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    """Of the answer's `display`."""
    outcome: Outcome


class Counted(Struct, frozen=True):
    counted: bool


_query = msgspec.json.Decoder(SearchQuery)
_outcome = msgspec.json.Decoder(ToldOutcome)


def service_of(request: Req) -> DeterrenceService:
    found = hands_of(request).services.deterrence
    if found is None:
        raise NotFound("nothing screens searches here")
    return found


def asked(body: Hidden) -> tuple[bool, tuple[SearchIn, ...]]:
    """Whether it was a single search, and the searches. Raises Invalid from a frame in which the body is not."""
    found = _asked(body)
    if isinstance(found, NightlightError):
        raise found
    if found.query is not UNSET:
        if found.searches is not UNSET:
            raise Invalid("not beside `query`: one or the other", field="searches")
        one = SearchIn(query=found.query, age_band=found.age_band, place=found.place, assignment=found.assignment)
        return True, (one,)
    if found.searches is UNSET:
        raise Invalid("this field is required, or `searches`", field="query")
    if found.age_band is not AgeBand.UNKNOWN or found.place is not None or found.assignment is not None:
        raise Invalid("beside `searches` each search has its own", field="searches")
    return False, found.searches


def _asked(body: Hidden) -> SearchQuery | NightlightError:
    try:
        return decode(body.value, _query)
    except NightlightError as error:  # anew: the one that was caught holds the body in its traceback
        return type(error)(error.message, field=error.field)


@endpoint(
    "POST",
    "/search:screen",
    Doc(
        summary="Screen a search, or up to 100, before results are shown",
        description="The answer names what to do and a message, never a term or a list. Nothing of a query is kept. Send nobody's account: "
        "`assignment` is an id that you make up for one visit, for trials.",
        tag="Deterrence",
        body=(SearchIn, SearchBatch),
        answers={200: (SearchAnswer, SearchResults)},
        problems=(404, 503),
    ),
    Scope.EVENTS_WRITE,
)
async def screen_search(request: Req) -> Response[bytes]:
    service = service_of(request)
    alone, searches = asked(Hidden(await body_of(request)))
    results = await asyncio.to_thread(service.screen, searches)
    if not alone:
        return json_response(SearchResults(tuple(problem_of(one) if isinstance(one, NightlightError) else one for one in results)))
    if isinstance(results[0], NightlightError):
        raise results[0]
    return json_response(results[0])


@endpoint(
    "POST",
    "/trials/{trial:str}/outcomes",
    Doc(
        summary="Tell what came of a message of a trial, once",
        description="By the token of the answer's `display`, within a day. A token that was used is not known any more: 404 on a second "
        "try means that the first was counted.",
        tag="Deterrence",
        body=ToldOutcome,
        answers={200: Counted},
        problems=(404,),
    ),
    Scope.EVENTS_WRITE,
)
async def tell_outcome(request: Req) -> Response[bytes]:
    service = service_of(request)
    trial = name_in_path(request, "trial")
    told = decode(await body_of(request), _outcome)
    await asyncio.to_thread(service.outcome, trial, told.token, told.outcome)
    return json_response(Counted(True))


ROUTES = (screen_search, tell_outcome)
