"""StopNCII.org's exchange (JSON), by python-threatexchange's client."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import dacite
from threatexchange.exchanges.clients.stopncii import api as stopncii

from nightlight.adapters.exchanges.answers import Place
from nightlight.adapters.exchanges.guarded import Guarded
from nightlight.adapters.exchanges.kinds import Banked
from nightlight.adapters.exchanges.rows import digest, fingerprint, kind_of, labels_of
from nightlight.adapters.exchanges.timed import Got, Timed
from nightlight.core.bank import ItemVerdict, NewItem
from nightlight.core.exchange import BadRow, Exchange, ExchangeFault
from nightlight.core.fingerprint import Fingerprint, FingerprintKind

_GONE = (stopncii.StopNCIICaseStatus.Withdrawn, stopncii.StopNCIICaseStatus.Deleted)
_PAGE = 800
_enums = dacite.Config(cast=[Enum, set])


def client(exchange: Exchange, credentials: Mapping[str, str], banked: Banked | None) -> StopNcii:
    return StopNcii(exchange, credentials)


class _Api(stopncii.StopNCIIAPI):  # type: ignore[misc]
    def _get_session(self, endpoint: Any) -> Guarded:
        session = Guarded(Place(self._base_url))
        session.headers.update({"x-functions-key": self._function_keys[endpoint], "Ocp-Apim-Subscription-Key": self._subscription_key})
        return session


class StopNcii(Timed):
    prefix = "stopncii"
    bounded = False
    links_last_s = 3600
    stale_after_s = 30 * 86400
    """python-threatexchange's number."""

    def __init__(self, exchange: Exchange, credentials: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        super().__init__(now)
        feedback = credentials.get("feedback_key")
        keys = {stopncii.StopNCIIEndpoint.SubmitFeedback: feedback} if feedback else {}
        self._api = _Api(credentials["subscription_key"], credentials["fetch_key"], keys, exchange.url)
        self._name = exchange.name
        self.takes_feedback = bool(feedback)

    def fetch(self, since: int, until: int, next: str) -> Got:
        asked: dict[str, Any] = {"startTimestamp": max(since, stopncii.StopNCIIAPI.DEFAULT_START_TIME), "pageSize": _PAGE}
        if next:
            asked["nextPageToken"] = next
        try:
            answer = self._api._get(stopncii.StopNCIIEndpoint.FetchHashes, **asked)
            records = answer["hashRecords"]
            more, link, reached = bool(answer["hasMoreRecords"]), answer.get("nextPageToken") or "", int(answer["nextSetTimestamp"])
            if not isinstance(records, list) or not isinstance(link, str) or (more and not link) or len(link) > 10_000:
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            raise ExchangeFault("an answer is no page of the list", page=True) from None
        # A time of the future would make the next fetch begin there, and miss everything until then.
        got = Got(next=link if more else "", reached=min(max(reached, 0), int(self._now())))
        for row, record in enumerate(records, 1):
            self._row(record, row, got)
        return got

    def _row(self, record: Any, row: int, got: Got) -> None:
        try:
            if record.get("caseNumbers") == []:
                record["caseNumbers"] = {}
            entry = dacite.from_dict(data_class=stopncii.StopNCIIHashRecord, data=record, config=_enums)
        except (AttributeError, TypeError, ValueError, RecursionError, dacite.DaciteError):
            got.bad.append(BadRow(self.where(row), "not a record as the exchange describes it"))
            return
        kind = kind_of(entry.signalType.value)
        made = fingerprint(kind, entry.hashValue) if kind is not None else None
        if made is None:
            reason = f"not written as {kind.value} is" if kind else "no hash of a picture or video"
            got.bad.append(BadRow(self.where(row), reason))
            return
        source = f"{self.prefix}:{entry.signalType.value}-{digest(made.value)}"
        # A hash that several people sent in goes when the last of their cases does.
        gone = entry.hashStatus in _GONE or (entry.caseNumbers and all(s in _GONE for s in entry.caseNumbers.values()))
        labels = labels_of((*(tag for f in entry.CSPFeedbacks for tag in sorted(f.tags)),))
        got.rows[source] = None if gone else NewItem(fingerprints=(made,), labels=labels, source=source, provenance=self._name)

    def tell(self, verdict: ItemVerdict, fingerprints: Sequence[Fingerprint]) -> bool:
        """`Blocked` or `NotBlocked`. One value a service and hash, so twice is as once."""
        source = verdict.source or ""
        if not source.startswith(f"{self.prefix}:") or not fingerprints:
            return False
        values = stopncii.StopNCIICSPFeedbackValue
        made: Fingerprint = fingerprints[0]
        kind = stopncii.StopNCIISignalType.ImagePDQ if made.kind is FingerprintKind.PDQ else stopncii.StopNCIISignalType.VideoMD5
        try:
            self._api.submit_feedback(kind, made.value, values.Blocked if verdict.confirm else values.NotBlocked)
        except ValueError:  # what it answers is not JSON: it took it all the same
            return True
        return True
