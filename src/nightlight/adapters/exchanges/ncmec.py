"""NCMEC's hash sharing (version 2, XML), by python-threatexchange's client.

Its entries come in no order of time, so a place within a range is known by the link to the next page alone, and a range's end is only
believed when its last page was read.
"""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from threatexchange.exchanges.clients.ncmec import hash_api

from nightlight.adapters.exchanges.answers import Place
from nightlight.adapters.exchanges.guarded import Guarded
from nightlight.adapters.exchanges.kinds import KINDS, Banked
from nightlight.adapters.exchanges.rows import category_of, fingerprint, kind_of, labels_of, source_of
from nightlight.adapters.exchanges.timed import Got, Timed
from nightlight.core.bank import ItemVerdict, NewItem
from nightlight.core.exchange import BadRow, Exchange, ExchangeFault
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

MOST_ENTRIES = 400_000
"""A range with more is halved first: python-threatexchange's number. Links are good for twelve hours only."""
_TYPES = {
    FingerprintKind.PDQ: hash_api.FingerprintType.pdq,
    FingerprintKind.MD5: hash_api.FingerprintType.md5,
    FingerprintKind.SHA1: hash_api.FingerprintType.sha1,
}


def client(exchange: Exchange, credentials: Mapping[str, str], banked: Banked | None) -> Ncmec:
    return Ncmec(exchange, credentials)


class _Api(hash_api.NCMECHashAPI):  # type: ignore[misc]
    """The package's client at our address, by our session, and without its log of whole answers."""

    def __init__(self, url: str, username: str, password: str) -> None:
        super().__init__(username, password, hash_api.NCMECEnvironment.test_Industry)
        self._base_url = url

    def _get_session(self) -> Guarded:
        session = Guarded(Place(self._base_url))
        session.auth = (self.username, self.password)
        return session

    def _get(self, endpoint: Any, *, path: str = "", next_: str = "", **params: str) -> Any:
        url = f"{self._base_url}/{self.VERSION}/{endpoint.value}" + (f"/{path}" if path else "")
        with self._get_session() as session:
            answer = session.get(self._base_url + next_ if next_ else url, params={} if next_ else params)
        try:
            if any(word in answer.content for word in (b"<!DOCTYPE", b"<!ENTITY", b"\0")):  # a NUL: UTF-16, which would hide them
                raise ET.ParseError
            events: Any = ET.iterparse(BytesIO(answer.content))  # noqa: S314 - no document type, so nothing in it expands
            for _, element in events:
                element.tag = element.tag.rpartition("}")[2]
            return events.root
        except ET.ParseError:
            raise ExchangeFault("an answer is no complete XML", page=True) from None


class Ncmec(Timed):
    prefix = "ncmec"
    overlap_s = 900
    takes_feedback = True

    def __init__(self, exchange: Exchange, credentials: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        super().__init__(now)
        self._api = _Api(exchange.url, credentials["username"], credentials["password"])
        self._name = exchange.name
        self._members = frozenset(m.strip() for m in exchange.options.get("members", "").split(",") if m.strip())
        self._reason = exchange.options.get("deny_reason", "")
        self._reasons: dict[Any, str] = {}
        generated = exchange.options.get("environment", "") in KINDS[exchange.kind].generated
        self._generated = True if generated else None

    def fetch(self, since: int, until: int, next: str) -> Got:
        root = self._api._get(hash_api.NCMECEndpoint.entries, next_=next, **{"from": _stamp(since), "to": _stamp(until)})
        if root.tag != "queryResult":
            raise ExchangeFault("an answer is no page of the list", page=True)
        got, row = Got(), 0
        for content in (*root.findall("images"), *root.findall("videos")):
            for element in content:
                row += 1
                self._row(element, row, got)
        got.next = root.findtext("paging/next") or ""
        if got.next and (info := _next_info(got.next)) is not None:
            start, most = info
            got.too_many = most - start > MOST_ENTRIES
            got.done = min(1.0, max(0.0, start / most)) if most > 0 else None
        return got

    def _row(self, element: Any, row: int, got: Got) -> None:
        try:
            wrapped = hash_api._XMLWrapper(element)
            entry = hash_api.NCMECEntryUpdate.from_xml(wrapped)
            member = (wrapped["member"].element.text or "").strip() or str(entry.member_id)
            id = entry.id.strip()
            if not id:
                raise ValueError
        except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError):
            got.bad.append(BadRow(self.where(row), "not an entry as the exchange describes it"))
            return
        source = source_of(self.prefix, f"{entry.member_id}-{id}")
        if entry.deleted:
            got.rows[source] = None
            return
        if self._members and str(entry.member_id) not in self._members:
            got.rows[source] = None  # of a member that is not wanted, now if not before
            return
        found = []
        for name, value in entry.fingerprints.items():
            kind = kind_of(name)
            made = fingerprint(kind, value) if kind is not None else None
            if made is None:
                got.bad.append(BadRow(self.where(row), f"a fingerprint is not written as {kind.value if kind else 'any kind'} is"))
            else:
                found.append(made)
        if not found:
            got.bad.append(BadRow(self.where(row), "no fingerprint that can be used"))
            got.rows[source] = None
            return
        category = category_of(entry.classification)
        got.rows[source] = NewItem(
            fingerprints=tuple(dict.fromkeys(found)),
            labels=labels_of((entry.entry_type.value, None if category else entry.classification)),
            source=source,
            category=category,
            generated=self._generated,
            provenance=f"{self._name}: {''.join(c for c in member if c.isprintable())[:200]}",
        )

    def tell(self, verdict: ItemVerdict, fingerprints: Sequence[Fingerprint]) -> bool:
        """An up-vote, or a down-vote with the reason that the operator chose. PUT: twice is as once."""
        source = verdict.source or ""
        member, _, entry = source.removeprefix(f"{self.prefix}:").partition("-")
        if not source.startswith(f"{self.prefix}:") or not member.isdigit() or not _plain(entry):
            return False
        kinds = [_TYPES[f.kind] for f in fingerprints if f.kind in _TYPES]
        if not verdict.confirm and hash_api.FingerprintType.pdq in kinds:
            # What looked alike and was not says nothing against the exact hashes of the same entry.
            kinds = [hash_api.FingerprintType.pdq]
        for kind in dict.fromkeys(kinds):
            if verdict.confirm:
                self._api.submit_feedback(int(member), entry, kind, hash_api.FeedbackType.upvote)
            else:
                self._api.submit_feedback(int(member), entry, kind, hash_api.FeedbackType.downvote, self._guid(kind))
        return bool(kinds)

    def _guid(self, kind: Any) -> str:
        if kind not in self._reasons:
            try:
                known: dict[str, str] = self._api.feedback_reasons(kind)
            except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError):
                raise ExchangeFault("its list of reasons cannot be read") from None
            wanted = self._reason.casefold()
            fits = [guid for guid, name in known.items() if wanted in (guid.casefold(), name.casefold())]
            if not fits and (wanted or len(known) != 1):
                raise ExchangeFault("it asks for a reason of a denial: set the option deny_reason to one of its reasons", final=True)
            self._reasons[kind] = fits[0] if fits else next(iter(known))
        return self._reasons[kind]


def _plain(entry: str) -> bool:
    """An id that can stand in a path."""
    return entry.isascii() and all(c.isalnum() or c in "-_" for c in entry) and bool(entry)


def _stamp(seconds: int) -> str:
    # The package's own function writes local time and calls it UTC.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _next_info(link: str) -> tuple[int, int] | None:
    try:
        info = hash_api.GetEntriesNextInfo.from_next(link.partition("?")[2])
    except ValueError:
        return None
    return None if info is None else (info.start, info.max)
