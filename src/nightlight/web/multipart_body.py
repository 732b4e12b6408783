"""Reading multipart/form-data without ever touching a disk.

Litestar's own form parser spills what passes 1 MB into a temporary file, unsealed. Here a part lives in memory, bounded, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from nightlight.core.errors import Invalid, TooLarge
from nightlight.core.explain import plain_name
from nightlight.web.bodies import Req, chunks, header
from nightlight.web.problems import UnsupportedMediaType

MAX_BOUNDARY = 70  # RFC 2046, section 5.1.1
MAX_HEADER = 1024
MAX_HEADERS = 8
FRAMING = 16 * 1024
"""What boundaries and part headers may add to the parts themselves."""


async def read_parts(request: Req, most: Mapping[str, int], deadline_s: float) -> dict[str, bytes]:
    """The parts named in `most` (name to its largest size in bytes), each at most once, in any order; file names are not looked at.

    Raises TooLarge, and Invalid on any other part, a repeated one, or a body that is cut short or malformed.
    """
    if header(request, b"content-encoding") not in ("", "identity"):
        raise UnsupportedMediaType("send the body without a content-encoding")
    kind, options = parse_options_header(header(request, b"content-type"))
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data":
        raise UnsupportedMediaType("send multipart/form-data")
    if not 1 <= len(boundary) <= MAX_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        raise Invalid("the content-type has no usable boundary", field="content-type")
    # One part more than there are names, so that the one too many is refused by its name and not by the count.
    parser = PushMultipartParser(
        boundary, max_header_size=MAX_HEADER, max_header_count=MAX_HEADERS, max_segment_count=len(most) + 1, strict=True
    )
    found: dict[str, bytearray] = {}
    target: bytearray | None = None
    name = ""
    try:
        async for chunk in chunks(request, sum(most.values()) + FRAMING, deadline_s):
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    name = event.name
                    if name not in most:
                        raise Invalid(f"only these parts are read: {', '.join(most)}", field=plain_name(name))
                    if name in found:
                        raise Invalid("given twice", field=name)
                    target = found[name] = bytearray()
                elif event is None:
                    target = None
                elif target is not None:
                    if len(target) + len(event) > most[name]:
                        raise TooLarge(f"may have at most {most[name]} bytes", field=name)
                    target += event
        parser.close()
    except ParserLimitReached as error:
        # One class for every limit: only its words, which are the parser's own, tell which. Parts and their sizes never come this far.
        if "header count" in str(error):
            raise Invalid(f"a part has more than {MAX_HEADERS} headers") from None
        raise Invalid(f"a header of a part has more than {MAX_HEADER} bytes") from None
    except (MultipartError, UnicodeDecodeError, ValueError):
        # Its message may quote a header the client wrote.
        raise Invalid("the multipart body is malformed or cut short") from None
    return {part: bytes(value) for part, value in found.items()}
