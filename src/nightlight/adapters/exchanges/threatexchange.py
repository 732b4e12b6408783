"""Meta's ThreatExchange (Graph API), one privacy group, by python-threatexchange's client."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from threatexchange.exchanges.clients.fb_threatexchange import api as graph
from threatexchange.exchanges.clients.fb_threatexchange.threat_updates import ThreatUpdateJSON

from nightlight.adapters.exchanges.answers import Place
from nightlight.adapters.exchanges.guarded import Guarded
from nightlight.adapters.exchanges.kinds import Banked
from nightlight.adapters.exchanges.rows import category_of, fingerprint, kind_of, labels_of, source_of
from nightlight.adapters.exchanges.timed import Got, Timed
from nightlight.core.bank import ItemVerdict, NewItem
from nightlight.core.errors import Invalid
from nightlight.core.exchange import BadRow, Exchange, ExchangeFault
from nightlight.core.fingerprint import Fingerprint

_FIELDS = ("id", "indicator", "type", "last_updated", "should_delete", "descriptors{id,owner{id,name},tags,status}")
_PAGE = 500


def client(exchange: Exchange, credentials: Mapping[str, str], banked: Banked | None) -> ThreatExchange:
    if not graph.is_valid_app_token(credentials["api_token"]):
        raise Invalid("an access token of an app: its number, `|`, its secret", field="credentials.api_token")
    return ThreatExchange(exchange, credentials)


class _Api(graph.ThreatExchangeAPI):  # type: ignore[misc]
    def _get_session(self) -> Guarded:
        return Guarded(Place(self._base_url))

    def get_json_from_url(self, url: str, params: Any = None, *, json_obj_hook: Any = None) -> Any:
        # The package's own makes no use of the session that it has just made.
        with self._get_session() as session:
            answer = session.get(url, params=params or {})
        try:
            return answer.json()
        except (ValueError, RecursionError):
            raise ExchangeFault("an answer is no complete JSON", page=True) from None


class ThreatExchange(Timed):
    prefix = "threatexchange"
    stale_after_s = 85 * 86400
    """Deletions are told of for 90 days."""
    takes_feedback = True

    def __init__(self, exchange: Exchange, credentials: Mapping[str, str], now: Callable[[], float] = time.time) -> None:
        super().__init__(now)
        self._api = _Api(credentials["api_token"], endpoint_override=exchange.url)
        self._group = exchange.options["privacy_group"]
        self._url = f"{exchange.url}/{self._group}/threat_updates/"
        self._place = Place(self._url)
        self._name = exchange.name
        self._generated = exchange.options.get("generated_tag", "").casefold()

    def fetch(self, since: int, until: int, next: str) -> Got:
        if next:
            answer = self._api.get_json_from_url(f"{self._url}?{next}", {"access_token": self._api.api_token})
        else:
            cursor = self._api.get_threat_updates(self._group, start_time=since or None, stop_time=until, page_size=_PAGE, fields=_FIELDS)
            answer = self._api.get_json_from_url(cursor.next_url, cursor.params)
        try:
            rows, link = answer["data"], (answer.get("paging") or {}).get("next") or ""
            if not isinstance(rows, list) or not isinstance(link, str) or len(link) > 20_000:
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ExchangeFault("an answer is no page of the list", page=True) from None
        got = Got(next=self._query(link))
        for row, raw in enumerate(rows, 1):
            self._row(raw, row, got)
        return got

    def _query(self, link: str) -> str:
        """What the link asks for. It is asked at the address that was configured, and the token is not kept with it."""
        if not link:
            return ""
        self._place.check(link)
        return urlencode([(k, v) for k, v in parse_qsl(urlsplit(link).query) if k != "access_token"])

    def _row(self, raw: Any, row: int, got: Got) -> None:
        try:
            update = ThreatUpdateJSON(raw)
            source = source_of(self.prefix, str(update.id))
            at, gone = update.time, update.should_delete
            if gone:
                got.rows[source] = None
            else:
                got.rows[source] = self._item(update, source)
        except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
            got.bad.append(BadRow(self.where(row), "not an update as the exchange describes it"))
            return
        got.reached = max(got.reached, min(at, int(self._now())))
        if not gone and got.rows[source] is None:
            got.bad.append(BadRow(self.where(row), "no fingerprint that can be used"))

    def _item(self, update: Any, source: str) -> NewItem | None:
        kind = kind_of(update.threat_type)
        made = fingerprint(kind, update.indicator) if kind is not None else None
        if made is None:
            return None
        # An owner may be hidden from us, the status may not.
        opinions = [d for d in update.raw_json["descriptors"]["data"] if d.get("status")]
        statuses = {d["status"] for d in opinions}
        if statuses == {"NON_MALICIOUS"}:
            return None
        tags = sorted({t for d in opinions for t in _tags(d)})
        category = next((c for t in tags if (c := category_of(t)) is not None), None)
        owners = sorted({str(d["owner"].get("name") or d["owner"]["id"]) for d in opinions if d.get("owner")})
        return NewItem(
            fingerprints=(made,),
            labels=labels_of(("disputed" if "NON_MALICIOUS" in statuses else None, *tags)),
            source=source,
            category=category,
            generated=True if self._generated and self._generated in {t.casefold() for t in tags} else None,
            provenance=f"{self._name}: {'; '.join(''.join(c for c in o if c.isprintable()) for o in owners)}"[:500],
        )

    def tell(self, verdict: ItemVerdict, fingerprints: Sequence[Fingerprint]) -> bool:
        """A reaction to each descriptor of the indicator that is another member's. A reaction is there or not: twice is as once."""
        source = verdict.source or ""
        id = source.removeprefix(f"{self.prefix}:")
        if id == source or not id.isdigit():
            return False
        try:
            found = self._api.get_threat_descriptors_from_indicator(int(id))
            known = [str(d["id"]) for d in found if str((d.get("owner") or {}).get("id")) != str(self._api.app_id)]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ExchangeFault("its answer about an indicator cannot be read") from None
        for descriptor in known:
            if not descriptor.isdigit():
                continue
            react = self._api.react_upvote_threat_descriptor if verdict.confirm else self._api.react_downvote_threat_descriptor
            try:
                react(descriptor)
            except ValueError:  # what it answers is not JSON: it took it all the same
                continue
        return bool(known)


def _tags(descriptor: Any) -> list[str]:
    tags = descriptor.get("tags") or []
    if isinstance(tags, dict):
        return [str(t["text"]) for t in tags["data"]]
    return [str(t["text"]) if isinstance(t, dict) else str(t) for t in tags]
