"""Reading multipart/form-data without ever touching a disk.

Litestar's own form parser spills what passes 1 MB into a temporary file, unsealed. Here a part lives in memory, bounded, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from nightlight.core.errors import Busy, Invalid, TooLarge
from nightlight.core.explain import plain_name
from nightlight.web.bodies import Req, chunks, declared, drain, header
from nightlight.web.hands import Held
from nightlight.web.problems import UnsupportedMediaType

MAX_BOUNDARY = 70  # RFC 2046, section 5.1.1
MAX_HEADER = 1024
MAX_HEADERS = 8
FRAMING = 16 * 1024
"""What boundaries and part headers may add to the parts themselves."""


class Many(Struct, frozen=True):
    """A part that may come several times."""

    name: str
    count: int
    together: int
    """Bytes, where there is more than one."""


class Video(Struct, frozen=True):
    """A part that may be larger where its first bytes are those of a video."""

    name: str
    most: int


async def read_parts(
    request: Req, most: Mapping[str, int], deadline_s: float, *, video: Video | None = None, held: Held | None = None
) -> dict[str, bytes]:
    """The parts named in `most` (name to its largest size in bytes), each at most once, in any order; file names are not looked at.

    Raises TooLarge, and Invalid on any other part, a repeated one, or a body that is cut short or malformed.
    """
    found = await read_form(request, most, deadline_s, video=video, held=held)
    return {name: values[0] for name, values in found.items()}


async def read_form(
    request: Req,
    most: Mapping[str, int],
    deadline_s: float,
    *,
    many: Many | None = None,
    video: Video | None = None,
    held: Held | None = None,
) -> dict[str, list[bytes]]:
    """As `read_parts`; of the part that `many` names, all in their order. `held` is told how many bytes have come."""
    if header(request, b"content-encoding") not in ("", "identity"):
        raise UnsupportedMediaType("send the body without a content-encoding")
    kind, options = parse_options_header(header(request, b"content-type"))
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data":
        raise UnsupportedMediaType("send multipart/form-data")
    if not 1 <= len(boundary) <= MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise Invalid("the content-type has no usable boundary", field="content-type")
    # One part more than there may be, so that the one too many is refused by its name and not by the count.
    segments = len(most) + 1 + (many.count if many else 0)
    parser = PushMultipartParser(
        boundary, max_header_size=MAX_HEADER, max_header_count=MAX_HEADERS, max_segment_count=segments, strict=True
    )
    found: dict[str, list[bytearray]] = {}
    target: bytearray | None = None
    name = ""
    together = received = 0
    largest = dict(most)
    if many is not None:
        largest[many.name] = max(largest[many.name], many.together)
    if video is not None:
        largest[video.name] = max(largest[video.name], video.most)
    bound = sum(largest.values()) + FRAMING * max(1, segments // 8)
    if held is not None:
        bound = min(bound, held.most)
        if (size := declared(request)) <= bound:  # what is beyond the bound is refused unread
            try:
                held.need(size)
            except Busy:
                await drain(request, size)
                raise
    try:
        async for chunk in chunks(request, bound, deadline_s):
            received += len(chunk)
            if held is not None:
                held.need(received)
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    name = event.name
                    if name not in most:
                        raise Invalid(f"only these parts are read: {', '.join(most)}", field=plain_name(name))
                    if name in found and (many is None or name != many.name):
                        raise Invalid("given twice", field=name)
                    if many is not None and name == many.name and len(found.get(name, ())) >= many.count:
                        raise TooLarge(f"at most {many.count} in one request", field=name)
                    target = bytearray()
                    found.setdefault(name, []).append(target)
                elif event is None:
                    target = None
                elif target is not None:
                    target += event
                    own = video.most if video is not None and name == video.name and is_video(target) else most[name]
                    if len(target) > own:
                        raise TooLarge(f"may have at most {own} bytes", field=name)
                    if many is not None and name == many.name:
                        together += len(event)
                        if together > many.together and len(found[name]) > 1:
                            raise TooLarge(f"may have at most {many.together} bytes together", field=name)
        parser.close()
    except ParserLimitReached as error:
        # One class for every limit: only its words, which are the parser's own, tell which. Parts and their sizes never come this far.
        if "header count" in str(error):
            raise Invalid(f"a part has more than {MAX_HEADERS} headers") from None
        raise Invalid(f"a header of a part has more than {MAX_HEADER} bytes") from None
    except (MultipartError, UnicodeDecodeError, ValueError):
        # Its message may quote a header the client wrote.
        raise Invalid("the multipart body is malformed or cut short") from None
    return {part: [settled(value) for value in values] for part, values in found.items()}


def settled(value: bytearray) -> bytes:
    """One part at a time is in memory twice."""
    done = bytes(value)
    value.clear()
    return done


def is_video(start: bytes | bytearray) -> bool:
    """True for what begins as MP4, MOV, WebM and MKV do, and a few pictures: what it is, the decoder finds out."""
    return start[4:8] == b"ftyp" or start[:4] == b"\x1aE\xdf\xa3"
