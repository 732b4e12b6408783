"""A notice to a host: what it says, and the clock of what follows. Pure: nothing here sends, and nothing here waits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from nightlight.core.errors import Invalid
from nightlight.reporting.cybertipline.values import is_email
from nightlight.reporting.cybertipline.xmltext import cleaned

MOST_ITEMS = 500
_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Step(StrEnum):
    WAIT = "wait"
    REMIND = "remind"
    HOTLINE = "hotline"
    """Tell the hotline of the host's country: the host does not answer."""
    CLOSE = "close"
    """A person closes it, with what came of it."""
    DONE = "done"
    """The host answered."""


class FollowUp(Struct, frozen=True, forbid_unknown_fields=True):
    after_hours: Annotated[float, Meta(gt=0)]
    step: Step


class Due(Struct, frozen=True, kw_only=True):
    step: Step
    at: datetime | None
    """When the step became due; of `wait` when the next will be; None once it is done."""


class Item(Struct, frozen=True, kw_only=True):
    """One thing that the host has, by where it is or by what it hashes to."""

    url: str = ""
    sha256: str = ""
    seen_at: datetime | None = None


class Notice(Struct, frozen=True, kw_only=True):
    language: str
    subject: str
    body: str


class _Words(Struct, frozen=True, forbid_unknown_fields=True):
    subject: str
    body: str
    told: str
    reminder_subject: str
    reminder: str


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    follow_up: tuple[FollowUp, ...]
    en: _Words
    es: _Words


@cache
def _file() -> _File:
    return msgspec.convert(tomllib.loads(files("nightlight.reporting").joinpath("notice.toml").read_text("utf-8")), _File)


def languages() -> tuple[str, ...]:
    return tuple(name for name in _File.__struct_fields__ if name != "follow_up")


def shipped_follow_up() -> tuple[FollowUp, ...]:
    return _file().follow_up


def notice(items: Sequence[Item], *, service: str, reference: str, contact: str, language: str = "en", reported: bool = False) -> Notice:
    """The first notice, plain text. `reported`: an authority has been told, and the notice says so. Raises Invalid naming the field."""
    words = _words(language)
    fields = {**_fields(items, service, reference, contact), "told": words.told if reported else ""}
    return Notice(language=language, subject=_filled(words.subject, fields), body=_filled(words.body, fields).strip() + "\n")


def reminder(first: Notice, sent: datetime, *, reference: str, contact: str) -> Notice:
    """The first notice again, with a word about when it was sent."""
    words = _words(first.language)
    fields = {"reference": _reference(reference), "contact": _contact(contact), "sent": f"{sent.astimezone(UTC):%Y-%m-%d %H:%M} UTC"}
    return Notice(
        language=first.language,
        subject=_filled(words.reminder_subject, fields),
        body=_filled(words.reminder, fields).strip() + "\n\n----\n\n" + first.body,
    )


def due(
    sent: datetime, now: datetime, *, answered: datetime | None = None, taken: Sequence[datetime] = (), steps: Sequence[FollowUp]
) -> Due:
    """What follows now. `taken`: when each step so far was taken, in their order; a step that was taken late moves none after it nearer
    than its own hours allow, because all count from `sent`."""
    if answered is not None:
        return Due(step=Step.DONE, at=None)
    ordered = sorted(steps, key=lambda one: one.after_hours)
    left = ordered[len(taken) :]
    if not left:
        return Due(step=Step.DONE, at=None)
    at = sent + timedelta(hours=left[0].after_hours)
    return Due(step=left[0].step if at <= now else Step.WAIT, at=at)


def _words(language: str) -> _Words:
    if language not in languages():
        raise Invalid(f"notices are written in: {', '.join(languages())}", field="language")
    words: _Words = getattr(_file(), language)
    return words


def _fields(items: Sequence[Item], service: str, reference: str, contact: str) -> Mapping[str, str]:
    if not 1 <= len(items) <= MOST_ITEMS:
        raise Invalid(f"a notice lists 1 to {MOST_ITEMS} things", field="items")
    return {
        "service": _line(service, "service", 200),
        "reference": _reference(reference),
        "contact": _contact(contact),
        "items": "\n".join(map(_item, items)),
    }


def _reference(text: str) -> str:
    if not _REFERENCE.fullmatch(text):
        raise Invalid("a reference has letters, digits, dots, dashes and underscores, 64 at most", field="reference")
    return text


def _contact(text: str) -> str:
    if not is_email(text):
        raise Invalid("must be an e-mail address", field="contact")
    return text


def _item(item: Item) -> str:
    parts = [_line(item.url, "items.url", 8192)] if item.url else []
    if item.sha256:
        if not re.fullmatch(r"[0-9a-f]{64}", item.sha256):
            raise Invalid("a SHA-256 has 64 lower-case hexadecimal digits", field="items.sha256")
        parts.append(f"SHA-256 {item.sha256}")
    if not parts:
        raise Invalid("needs a URL or a SHA-256", field="items")
    seen = f" (seen {item.seen_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC)" if item.seen_at is not None else ""
    return f"- {', '.join(parts)}{seen}"


def _line(text: str, field: str, most: int) -> str:
    """One line: a line break would let whoever chose a URL or a name write part of the notice, or a header of it."""
    text = cleaned(text).strip()
    if not text or len(text) > most or len(text.splitlines()) != 1:
        raise Invalid(f"must be one line of at most {most} characters", field=field)
    return text


def _filled(template: str, fields: Mapping[str, str]) -> str:
    """Each `{name}` once; what is filled in is not looked at again, so braces in a URL stay braces."""
    return re.sub(r"\{([a-z]+)\}", lambda found: fields[found[1]], template)
