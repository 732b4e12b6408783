"""The decoding process: `python -m nightlight.senses.media.worker`, started by `workers`, one request after another until its pipe ends.

Each way a message is its length in eight bytes and its bytes. A request is a msgpack `Request` and, as a second message, the file.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from nightlight.senses.media.confine import Confinement, allow_cpu, confine
from nightlight.senses.media.containers import is_video, media_type
from nightlight.senses.media.limits import MediaLimits

LENGTH = struct.Struct("<Q")
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes; frames of a day of video take half of it. The service believes no decoder beyond this."""


class Request(Struct, frozen=True):
    limits: MediaLimits
    thorough: bool
    crops: bool = False
    """Only fingerprints of parts of the picture, in `Looked.fingerprints`."""
    render: str = ""
    """`blurred` or `clear`: the answer is a `rendition.Rendered`."""


class Ready(Struct, frozen=True):
    enforced: tuple[str, ...]


def serve(source: int, sink: int, confinement: Confinement) -> None:
    """Answer requests from one file descriptor on another until the first ends."""
    from nightlight.senses.media.crops import derived_crops
    from nightlight.senses.media.look import Looked, look
    from nightlight.senses.media.rendition import render

    while (head := _take(source)) is not None:
        data = _take(source)
        if data is None:
            return
        request = msgspec.msgpack.decode(head, type=Request)
        allow_cpu(confinement.video_cpu_s if is_video(media_type(data)) else confinement.cpu_s)
        if request.render:
            _put(sink, msgspec.msgpack.encode(render(data, request.limits, blurred=request.render != "clear")))
        elif request.crops:
            _put(sink, msgspec.msgpack.encode(Looked(fingerprints=derived_crops(data, request.limits))))
        else:
            _put(sink, msgspec.msgpack.encode(look(data, request.limits, thorough=request.thorough)))
        del data


def _take(source: int) -> bytes | None:
    head = _read(source, LENGTH.size)
    return None if head is None else _read(source, LENGTH.unpack(head)[0])


def _read(source: int, size: int) -> bytes | None:
    into = memoryview(bytearray(size))
    at = 0
    while at < size:
        got = os.readv(source, [into[at:]])
        if not got:
            return None
        at += got
    return bytes(into)


def _put(sink: int, message: bytes) -> None:
    rest = memoryview(LENGTH.pack(len(message)) + message)
    while rest:
        rest = rest[os.write(sink, rest) :]


def main(arguments: Sequence[str]) -> None:
    confinement = msgspec.json.decode(arguments[0], type=Confinement)
    from nightlight.senses.media.crops import plain_hashes
    from nightlight.senses.media.look import warm_up
    from nightlight.senses.media.rendition import png, render

    warm_up()
    render(png(bytes(64 * 64), 64, 64), MediaLimits(), blurred=True)
    plain_hashes()
    allow_cpu(confinement.cpu_s)
    enforced = confine(confinement)
    _put(1, msgspec.msgpack.encode(Ready(enforced)))
    serve(0, 1, confinement)


if __name__ == "__main__":
    main(sys.argv[1:])
