"""Whether a text is what a `Value` asks for, and the sentence that says what would be right."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches

from nightlight.reporting.cybertipline.schema import Form, Value

_MOMENT = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})(?P<part>\.[0-9]+)?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})")
# Plausible, not proven: one at sign, a mailbox without spaces, a host with a dot. Who it belongs to is for the authority to find out.
_EMAIL = re.compile(
    r"[^\s@<>\"(),:;\\\[\]]{1,64}@(?=.{1,255}$)([^\s@<>\"(),:;\\\[\]./_-]([^\s@<>\"(),:;\\\[\]./_]*[^\s@<>\"(),:;\\\[\]./_-])?\.)+[^\W_][\w-]*[^\W_]"
)
_IP = re.compile(r"[0-9A-Fa-f:.]{2,45}")
MOMENT_LIKE = "2026-03-01T14:05:00Z"
_XML_SPACE = " \t\r\n"


def fault_of(value: Value, text: str, now: datetime) -> tuple[str, str] | None:
    """Code and sentence of what is wrong, or None."""
    if value.form is Form.EMPTY:
        return ("not_empty", "must be an empty element: that it is there says yes; to say no, leave it out") if text.strip() else None
    if not text.strip(_XML_SPACE):
        return "empty", "is empty; fill it in, or leave the element out"
    if value.most is not None and len(text) > value.most:
        over = len(text) - value.most
        return "too_long", f"has {len(text):,} characters, {over:,} too many: {value.most:,} at most; put the rest into an attached file"
    if value.form is Form.TEXT:
        return None
    if value.form is Form.CHOICE:
        return _choice(value, text)
    return _written(value, text.strip(_XML_SPACE), now)


def _choice(value: Value, text: str) -> tuple[str, str] | None:
    if text in value.choices:
        return None
    if value.choices_are:
        return "not_in_list", f"must be {value.choices_are}"
    close = get_close_matches(text[:200], value.choices, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return "not_in_list", f"must be exactly one of: {', '.join(repr(one) for one in value.choices)}{hint}"


def _written(value: Value, text: str, now: datetime) -> tuple[str, str] | None:
    match value.form:
        case Form.BOOLEAN:
            return None if text in ("true", "false", "1", "0") else ("not_boolean", "must be true or false")
        case Form.WHOLE | Form.DECIMAL:
            return _number(value, text)
        case Form.MOMENT:
            return _moment(value, text, now)
        case Form.DAY:
            return _day(value, text, now)
        case Form.IP:
            return (
                None
                if is_ip(text)
                else ("not_ip", "must be an IPv4 or IPv6 address, such as 203.0.113.7 or 2001:db8::7, without port or mask")
            )
        case Form.EMAIL:
            return None if is_email(text) else ("not_email", "must be an e-mail address, such as name@example.com, and nothing else")
        case _:
            return None if re.fullmatch(value.pattern, text) else ("not_pattern", f"must be {value.like}")


def _number(value: Value, text: str) -> tuple[str, str] | None:
    whole = value.form is Form.WHOLE
    if not (_WHOLE if whole else _DECIMAL).fullmatch(text):
        return "not_number", f"must be a {'whole ' if whole else ''}number"
    number = int(text) if whole else float(text)
    if (value.least is not None and number < value.least) or (value.greatest is not None and number > value.greatest):
        return "out_of_range", f"must be between {value.least:g} and {value.greatest:g}" if (
            value.greatest or 0
        ) < 2**32 else "must be 1 or more"
    return None


def _moment(value: Value, text: str, now: datetime) -> tuple[str, str] | None:
    if not (found := _MOMENT.fullmatch(text)):
        return "not_moment", f"must be date and time with a zone, such as {MOMENT_LIKE}"
    if not found["zone"]:
        return "no_zone", f"has no time zone: end it with Z (UTC) or an offset such as -05:00, as in {MOMENT_LIKE}"
    try:
        moment = moment_of(text)
    except (ValueError, OverflowError):
        return "not_moment", f"is no date and time that exists; write it like {MOMENT_LIKE}"
    if value.past and moment > now:
        return "not_past", "lies in the future; it must be a moment that has passed"
    return None


def moment_of(text: str) -> datetime:
    """Raises ValueError."""
    found = _MOMENT.fullmatch(text.strip(_XML_SPACE))
    if not found or not found["zone"]:
        raise ValueError("no moment")
    zone = "+00:00" if found["zone"] == "Z" else found["zone"]
    if zone[1:3] > "14" or zone[4:] > "59":
        raise ValueError("no such offset")
    return datetime.fromisoformat(f"{found['day']}T{found['time']}{(found['part'] or '')[:7].ljust(7, '0') if found['part'] else ''}{zone}")


def _day(value: Value, text: str, now: datetime) -> tuple[str, str] | None:
    if not (found := _DAY.fullmatch(text)):
        return "not_day", "must be a date, such as 2012-05-30"
    try:
        day = date.fromisoformat(found[1])
    except ValueError:
        return "not_day", "is no date that exists; write it like 2012-05-30"
    # Somewhere on earth it is already tomorrow.
    if value.past and day > (now + timedelta(hours=14)).date():
        return "not_past", "lies in the future"
    return None


def is_ip(text: str) -> bool:
    """An IPv4 or IPv6 address without port, mask or zone."""
    if not _IP.fullmatch(text):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_email(text: str) -> bool:
    return len(text) <= 320 and _EMAIL.fullmatch(text) is not None and ".." not in text and not text.startswith(".") and ".@" not in text


def moment_text(at: datetime) -> str:
    """As the wire writes it, in UTC, to the second where there is no fraction."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
