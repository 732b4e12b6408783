"""`core.help.HelpService`: the store's links, and reports that go the way of all others."""

from __future__ import annotations

from nightlight.adapters.store.help import SqlHelp
from nightlight.core.errors import Invalid
from nightlight.core.event import Party
from nightlight.core.help import HelpAsk, HelpLink, HelpReport, HelpVisit
from nightlight.core.ids import fit_for_id
from nightlight.core.user_report import Item, Received, UserReportIn, UserReportService


class Help:
    def __init__(self, store: SqlHelp, reports: UserReportService) -> None:
        self._store, self._reports = store, reports

    def link(self, ask: HelpAsk) -> HelpLink:
        return self._store.link(ask)

    def opened(self, token: str) -> HelpVisit:
        return self._store.opened(token)

    def report(self, token: str | None, report: HelpReport) -> Received:
        visit = None if token is None else self._store.opened(token)
        name, text = fit_for_id(report.name.strip(), "name"), report.text.strip()
        about = visit.about if visit is not None and visit.about else (Party(account=name),) if name else ()
        if not about:
            raise Invalid("say who it is", field="name")
        items: tuple[Item, ...] = ()
        if visit is not None:
            # Until the first tap and no later: sent again, it is the same report, whatever has come meanwhile.
            said = self._store.said_by(visit.conversation, [party.account for party in about], visit.opened_at)
            items = tuple(Item(event=id) for id in said)
        if name:
            # What somebody typed may be no account of the service: a reviewer is to see it as it was typed.
            items = (*items, Item(text=name))
        told = UserReportIn(
            id=f"help:{report.once}",
            category=report.category,
            about=about,
            reporter=None if visit is None else visit.account,
            conversation=None if visit is None else visit.conversation,
            text=text,
            items=items,
        )
        return self._reports.submit(told)
