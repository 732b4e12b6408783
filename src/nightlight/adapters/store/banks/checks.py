"""What a bank and an item may be. Everything here raises Invalid naming the field; nothing here knows a database."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from nightlight.core.bank import Bank, BankAction, BankKind, Category, NewItem
from nightlight.core.errors import Invalid
from nightlight.core.fingerprint import PDQ_THRESHOLD, FingerprintKind, check_written

MOST_FINGERPRINTS = 1024
"""Of one item: a video gives up to 512 frames, each in two views."""
MOST_LABELS = 32
MOST_TEXT = 1000
MOST_KINDS = 32
MOST_DISTANCE = 1_000_000
"""Of a foreign kind, in its own units."""
MOST_DAYS = 36_500
FALSE_MATCH_DAYS, FALSE_MATCH_MOST_DAYS = 365, 730
"""How long an entry of a negative bank lasts unless told, and at most: what was a false match once must be looked at again."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_LATEST = datetime.fromisoformat("9000-01-01T00:00:00+00:00")
_EARLIEST = datetime.fromisoformat("1970-01-02T00:00:00+00:00")


def new_bank(bank: Bank) -> Bank:
    """The bank as it is kept. `version` and `created_at` are the store's to set."""
    if _NAME.fullmatch(bank.name) is None:
        raise Invalid("a bank's name is 1 to 64 of a-z, 0-9, `_`, `.`, `-`, beginning with a letter or digit", field="name")
    _one_of(bank.kind, BankKind, "kind")
    settings(
        threshold=bank.threshold,
        enabled=bank.enabled,
        note=bank.note,
        action=bank.action,
        kinds=bank.kinds,
        thresholds=bank.thresholds,
        share=bank.share,
        authority=bank.authority,
        expires_after_days=bank.expires_after_days,
    )
    return replace(bank, kinds=tuple(bank.kinds), thresholds=dict(bank.thresholds), share=float(bank.share))


def settings(
    *,
    threshold: int | None,
    enabled: bool | None,
    note: str | None,
    action: BankAction | None,
    kinds: Sequence[FingerprintKind] | None,
    thresholds: Mapping[str, int] | None,
    share: float | None,
    authority: bool | None,
    expires_after_days: int | None,
) -> None:
    """None: not given."""
    if threshold is not None and not (_whole(threshold) and 0 <= threshold <= PDQ_THRESHOLD):
        raise Invalid(f"a threshold is 0 to {PDQ_THRESHOLD} bits", field="threshold")
    for flag, name in ((enabled, "enabled"), (authority, "authority")):
        if flag is not None and not isinstance(flag, bool):
            raise Invalid("true or false", field=name)
    text(note, "note")
    if action is not None:
        _one_of(action, BankAction, "action")
    if kinds is not None:
        if isinstance(kinds, str) or len(kinds) > MOST_KINDS or len(set(kinds)) != len(kinds):
            raise Invalid(f"at most {MOST_KINDS} kinds, each once", field="kinds")
        for i, kind in enumerate(kinds):
            _one_of(kind, FingerprintKind, f"kinds[{i}]")
    if thresholds is not None:
        if len(thresholds) > MOST_KINDS:
            raise Invalid(f"at most {MOST_KINDS} thresholds", field="thresholds")
        for kind_name, distance in thresholds.items():
            if not (isinstance(kind_name, str) and kind_name.startswith("x-")) or _one_of_quietly(kind_name) is None:
                raise Invalid("thresholds are of foreign kinds, whose names begin with `x-`; PDQ has its own", field="thresholds")
            if not (_whole(distance) and 0 <= distance <= MOST_DISTANCE):
                raise Invalid(f"a whole number from 0 to {MOST_DISTANCE}", field="thresholds")
    if share is not None and not (isinstance(share, int | float) and not isinstance(share, bool) and 0.0 <= share <= 1.0):
        raise Invalid("a share is 0 to 1", field="share")
    if expires_after_days is not None and not (_whole(expires_after_days) and 1 <= expires_after_days <= MOST_DAYS):
        raise Invalid(f"1 to {MOST_DAYS} days", field="expires_after_days")


def item(new: NewItem, kind: BankKind, now: datetime) -> NewItem:
    """A new item of a bank of that kind, as it is kept."""
    check_written(new.fingerprints)
    if not 1 <= len(new.fingerprints) <= MOST_FINGERPRINTS:
        raise Invalid(f"an item has 1 to {MOST_FINGERPRINTS} fingerprints", field="fingerprints")
    if len(new.labels) > MOST_LABELS:
        raise Invalid(f"an item has at most {MOST_LABELS} labels", field="labels")
    for label in new.labels:
        text(label, "labels")
    text(new.source, "source")
    text(new.provenance, "provenance")
    if new.category is not None:
        _one_of(new.category, Category, "category")
    if new.generated is not None and not isinstance(new.generated, bool):
        raise Invalid("true, false, or nothing where the source does not say", field="generated")
    ends = new.expires_at
    # A time that is past is no mistake of a list's: the item is gone at the next sweep.
    if ends is not None and (not isinstance(ends, datetime) or ends.tzinfo is None or not _EARLIEST <= ends <= _LATEST):
        raise Invalid("a time with its zone, between 1970 and 9000", field="expires_at")
    if kind is BankKind.NEGATIVE:
        ends = _false_match(new, now)
    unique = tuple(dict.fromkeys(new.fingerprints))
    return replace(new, fingerprints=unique, labels=tuple(new.labels), expires_at=ends)


def _false_match(new: NewItem, now: datetime) -> datetime:
    for i, f in enumerate(new.fingerprints):
        if f.kind is not FingerprintKind.SHA256:
            raise Invalid("a negative bank takes SHA-256 only: it matches the very same bytes", field=f"fingerprints[{i}].kind")
    ends = new.expires_at if new.expires_at is not None else now + timedelta(days=FALSE_MATCH_DAYS)
    if not now < ends <= now + timedelta(days=FALSE_MATCH_MOST_DAYS):
        raise Invalid(f"an item of a negative bank ends at most {FALSE_MATCH_MOST_DAYS} days from now", field="expires_at")
    return ends


def text(value: str | None, field: str) -> None:
    if value is not None and (not isinstance(value, str) or len(value) > MOST_TEXT or "\0" in value or not _is_unicode(value)):
        raise Invalid(f"at most {MOST_TEXT} characters, none of them NUL", field=field)


def _is_unicode(value: str) -> bool:
    """False where half a surrogate pair is in it, which no database takes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(value: object, kind: type[BankKind | BankAction | Category | FingerprintKind], field: str) -> None:
    if not isinstance(value, kind):
        raise Invalid(f"must be one of: {', '.join(one.value for one in kind)}", field=field)


def _one_of_quietly(value: str) -> FingerprintKind | None:
    try:
        return FingerprintKind(value)
    except ValueError:
        return None
