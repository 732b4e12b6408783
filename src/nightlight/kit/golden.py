"""Reads `golden_states.jsonl` of a detector's folder: memories as older versions saved them, kept so that none is ever forgotten.

One JSON object a line: `{"version": 1, "key_kind": "pair", "key_id": "room|a|b", "hex": "82a5..."}`. `hex` is what `encode_state` gave.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nightlight.core.detect import Detector, Key, KeyKind, encode_state
from nightlight.core.errors import Invalid

FILE = "golden_states.jsonl"


class GoldenState(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Annotated[int, Meta(ge=1)]
    key_kind: KeyKind
    key_id: str
    hex: Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$")]

    @property
    def key(self) -> Key:
        return Key(self.key_kind, self.key_id)

    @property
    def raw(self) -> bytes:
        return bytes.fromhex(self.hex)


def read_golden_states(folder: Path) -> tuple[GoldenState, ...]:
    """The kept states of a detector, in order; none where there is no such file. Raises Invalid naming file, line and field."""
    path = folder / FILE
    if not path.exists():
        return ()
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                found.append(msgspec.json.decode(line, type=GoldenState))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Invalid(f"{folder.name}/{FILE}:{number}: {error}") from None
    return tuple(found)


def golden_line(detector: Detector, key: Key, state: object) -> str:
    """The line that keeps a state as this version saves it: add it to the file before `state_version` goes up."""
    golden = GoldenState(version=detector.card.state_version, key_kind=key.kind, key_id=key.id, hex=encode_state(state).hex())
    return msgspec.json.encode(golden).decode()
