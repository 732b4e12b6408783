"""Fills `core.reveal.Reveal`: the vault's bytes, decoded in a confined process, and a record of each look."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from nightlight.core.case import View
from nightlight.core.desk import CaseDesk, Severity
from nightlight.core.errors import Conflict, Invalid, NotFound, Unavailable
from nightlight.core.reveal import Shown
from nightlight.core.staff import DECIDERS, Staff
from nightlight.core.vault import ItemKind, Reader, Vault
from nightlight.senses.media import workers
from nightlight.senses.media.rendition import png

SEEN_S = 1.0
"""Shorter than that on the screen, nobody may say that they saw it. Chosen."""
MOST_OUT = 10_000
LOOKS = "to look at it; why is kept with the view"


class Revealing:
    def __init__(self, desk: CaseDesk, vault: Vault, decoders: workers.Decoders, now: Callable[[], datetime]) -> None:
        self._desk, self._vault, self._decoders, self._now = desk, vault, decoders, now
        self._out: dict[tuple[str, str, str, bool], tuple[bool, str]] = {}
        """Whether whole, and the reason, of what was handed out by this process and not yet looked at."""
        self._lock = threading.Lock()

    def show(self, who: Staff, case: str, sha256: str, reason: str, *, blurred: bool) -> Shown:
        who.must_be(DECIDERS, "look at a picture")
        if len(reason.strip()) < 3:
            raise Invalid("say why you have to look", field="reason")
        if self._desk.case(who, case).held_by(self._now()) != who.id:
            raise Conflict("take the case first", field="case")
        found = self._vault.find(case, sha256)
        if found is None or found.kind is not ItemKind.MEDIA:
            raise NotFound("the vault does not hold this file for this case", field="sha256")
        if not workers.available:
            raise Unavailable("pictures are shown only where decoders can be confined")
        # The vault's audit is in clear and outlives the case: what the person wrote is sealed with the view, and goes with it.
        data = self._vault.open(case, found.id, who=Reader.of(who), reason=LOOKS)
        made = self._decoders.render(data, blurred=blurred)
        if made.unreadable is not None:
            raise Invalid(f"it cannot be shown: {made.unreadable}", field="sha256")
        self._record(who, case, sha256, reason, whole=False, blurred=blurred, seconds=0.0)
        with self._lock:
            while len(self._out) >= MOST_OUT:
                del self._out[next(iter(self._out))]
            self._out[(who.id, case, sha256, blurred)] = (made.whole, reason)
        return Shown(png=png(made.grey, made.width, made.height), width=made.width, height=made.height, whole=made.whole)

    def seen(self, who: Staff, case: str, sha256: str, seconds: float, *, blurred: bool) -> None:
        with self._lock:
            found = self._out.get((who.id, case, sha256, blurred))
        if found is None:
            raise Conflict("nothing was handed out to you that you could have seen", field="sha256")
        whole, reason = found
        self._desk.exposed(who, case, seconds, Severity.BLURRED if blurred else Severity.CLEAR)
        if seconds >= SEEN_S:
            self._record(who, case, sha256, reason, whole=whole, blurred=blurred, seconds=seconds)

    def _record(self, who: Staff, case: str, sha256: str, reason: str, *, whole: bool, blurred: bool, seconds: float) -> None:
        look = View(
            case=case,
            by=who.id,
            at=self._now(),
            sha256=sha256,
            whole=whole,
            blurred=blurred,
            greyscale=True,
            seconds=seconds,
            reason=reason,
        )
        self._desk.viewed(who, look)
