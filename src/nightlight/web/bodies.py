"""Reading request bodies: bounded in size and time before anything is built from them.

Depth needs no number: every body is decoded straight into its type, none of which nests deeper than five levels, and where the decoder
skips what it need not build, it gives up on its own (RecursionError) and the body is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qsl, unquote_to_bytes

import msgspec
from litestar import Request

from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.explain import explain, plain_name
from nightlight.web.problems import TooSlow, UnsupportedMediaType

Req: TypeAlias = Request[Any, Any, Any]
T = TypeVar("T")

MAX_DRAIN = 64 * 1024 * 1024
DRAIN_S = 5.0
MAX_ID = 200
"""As core.event.Id."""


class Gone(Invalid):
    """The client went away; nobody reads the answer."""


def header(request: Req, name: bytes) -> str:
    for key, value in request.scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


def media_type(request: Req) -> str:
    return header(request, b"content-type").partition(";")[0].strip().lower()


def require_json(request: Req) -> None:
    """Only JSON in UTF-8, uncompressed: a compressed body could grow past every limit while it is unpacked."""
    given = header(request, b"content-type").lower()
    kind, _, parameters = given.partition(";")
    if kind.strip() != "application/json":
        raise UnsupportedMediaType("send the header content-type: application/json")
    if "charset" in parameters and "utf-8" not in parameters and "utf8" not in parameters:
        raise UnsupportedMediaType("send JSON in UTF-8")
    if header(request, b"content-encoding") not in ("", "identity"):
        raise UnsupportedMediaType("send the body without a content-encoding")


def declared(request: Req) -> int:
    """The length that the client says its body has; 0 where it says none, or nothing that can be read."""
    said = header(request, b"content-length")
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 12 else 0


async def chunks(request: Req, most: int, deadline_s: float) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises TooLarge from the declared length or as soon as `most` bytes are passed, and TooSlow."""
    declared = header(request, b"content-length")
    if declared and (not declared.isascii() or not declared.isdigit()):
        raise Invalid("content-length is not a number", field="content-length")
    if declared and (len(declared) > 15 or int(declared) > most):
        await drain(request, int(declared[:15]))
        raise TooLarge(f"the body may have at most {most} bytes")
    end = asyncio.get_running_loop().time() + deadline_s
    received = 0
    while True:
        try:
            async with asyncio.timeout_at(end):
                message: Any = await request.receive()
        except TimeoutError:
            raise TooSlow(f"the body did not arrive within {deadline_s:g} s") from None
        if message["type"] == "http.disconnect":
            raise Gone("the client went away")
        body: bytes = message.get("body", b"")
        received += len(body)
        if received > most:
            raise TooLarge(f"the body may have at most {most} bytes")
        if body:
            yield body
        if not message.get("more_body", False):
            return


async def drain(request: Req, declared: int) -> None:
    """Let a client that is a little too generous finish, throwing away what comes, so that it reads the refusal and not a reset.

    One that declares more than `MAX_DRAIN`, or takes longer than `DRAIN_S`, meets a closed connection.
    """
    if declared > MAX_DRAIN:
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            while True:
                message: Any = await request.receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


async def read(request: Req, most: int, deadline_s: float) -> bytes:
    return b"".join([chunk async for chunk in chunks(request, most, deadline_s)])


async def read_json(request: Req, most: int, deadline_s: float) -> bytes:
    """A JSON body, bounded but not yet decoded."""
    require_json(request)
    return await read(request, most, deadline_s)


def decode(body: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Raises Invalid naming the field, never quoting the value."""
    try:
        return decoder.decode(body)
    except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors, as is a UnicodeDecodeError
        raise explain(error, decoder.type) from None


def path_id(request: Req, prefix: str) -> str:
    """What follows `prefix` in the path as the client wrote it, percent-decoded: an id may hold slashes, spaces, any letter.

    The router's own parameter cannot be used: it has joined doubled slashes and dropped a last one.
    """
    raw: bytes = request.scope["raw_path"].partition(b"?")[0]
    lead = prefix.encode()
    try:
        value = unquote_to_bytes(raw[len(lead) :]).decode() if raw.startswith(lead) else ""
    except UnicodeDecodeError:
        raise Invalid("the id is not UTF-8", field="id") from None
    if not 1 <= len(value) <= MAX_ID or "\0" in value:
        raise Invalid(f"an id has 1 to {MAX_ID} characters and no NUL", field="id")
    return value


def query(request: Req, *names: str) -> dict[str, str]:
    """The query's parameters. Raises Invalid on one that is not in `names`, or given twice: a misspelt one is never silently lost."""
    raw = request.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise Invalid("the query cannot be read") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in names:
            allowed = ", ".join(names) or "none"
            raise Invalid(f"unknown query parameter; allowed: {allowed}", field=plain_name(name))
        if name in found:
            raise Invalid("given twice", field=name)
        if "\0" in value:
            raise Invalid("may not contain NUL", field=name)
        found[name] = value
    return found


def query_count(found: dict[str, str], name: str, default: int, most: int) -> int:
    value = found.get(name, str(default))
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
        raise Invalid(f"a whole number from 1 to {most}", field=name)
    return int(value)
