"""`Reports`: the desk of reports, and the chores that send them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from nightlight.adapters.authorities.cybertipline import NAME, PLACES, CyberTipline, place_of
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.reports import SqlReports
from nightlight.app.casefile import CaseFiles
from nightlight.app.filing import Filer, Form
from nightlight.app.report_orders import OrderBook, Orders
from nightlight.app.settings import CyberTiplineAccess
from nightlight.core.case import Case
from nightlight.core.casefile import CaseFile
from nightlight.core.document import Fault
from nightlight.core.draft import Draft, DraftFile
from nightlight.core.errors import Conflict, Invalid, NotFound
from nightlight.core.filing import FILED, Authority, Filing, Taken, asked_again, asked_back
from nightlight.core.ports import AuditEntry
from nightlight.core.report import ReportState
from nightlight.core.report_desk import Preview
from nightlight.core.vault import FILING, Vault
from nightlight.reporting import cybertipline
from nightlight.reporting.draft import draft_faults
from nightlight.reporting.routing import route_case, shipped_authorities

FORMS: Mapping[str, Form] = {
    NAME: Form(lambda made, now: draft_faults(made.document, made.files, now), cybertipline.write, cybertipline.with_ids)
}
Drafter = Callable[[CaseFile, datetime, str], Draft]


class VaultEvidence:
    """What the draft holds itself, else what the vault keeps of the case, by its SHA-256. Fills `app.filing.Evidence`."""

    def __init__(self, vault: Vault | None) -> None:
        self._vault = vault

    def read(self, case: str, file: DraftFile) -> bytes:
        if file.content is not None:
            return file.content
        found = self._vault.find(case, file.sha256) if self._vault is not None and file.sha256 else None
        if found is None or self._vault is None:
            raise NotFound("its bytes are not kept by this service")
        return self._vault.open(case, found.id, who=FILING, reason="to send it with a report")


class Access:
    """The authorities that the settings give access to. Made on first use: most commands send nothing, and need no password."""

    def __init__(self, access: CyberTiplineAccess, password: Callable[[], str]) -> None:
        self._access, self._password = access, password
        self._made: CyberTipline | None = None

    @property
    def place(self) -> str | None:
        """Where reports go, as a URL; None: nowhere. Raises Invalid."""
        return None if self._access.to is None else place_of(self._access.to)

    def __call__(self, name: str) -> Authority | None:
        if name != NAME or self._access.to is None:
            return None
        if self._made is None:
            if self._access.username is None:
                raise Invalid("a user name is needed", field="authorities.cybertipline.username")
            self._made = CyberTipline(place_of(self._access.to), self._access.username, self._password())
        return self._made


class Reports:
    """Fills `core.report_desk.ReportDesk`. Safe to use from several threads and processes."""

    def __init__(
        self,
        store: SqlReports,
        audit: AuditLog,
        files: CaseFiles,
        drafter: Drafter,
        filer: Filer,
        now: Callable[[], datetime],
        *,
        place: str | None = None,
        cases: Callable[[str], Case | None],
        orders: Orders | None = None,
        withdraw: Callable[[str, str], int] | None = None,
        allowed: Sequence[str] = (NAME,),
    ) -> None:
        """allowed: ids of the authorities that may be told. place: where reports would go now; None: nowhere, so that they wait as
        drafts. orders: None where no desk says who approved what, so that whoever may call `submit` has to answer for it. withdraw:
        takes what came from a case out of the banks."""
        self._store, self._audit, self._files, self._drafter = store, audit, files, drafter
        self._allowed, self._table = frozenset(allowed), shipped_authorities()
        self.filer, self._now, self._cases, self.book = filer, now, cases, OrderBook(orders, withdraw)
        self.place = place or PLACES["production"]

    # -- reading -------------------------------------------------------------------------------------------------------------------

    def all(self, states: Sequence[ReportState] | None = None, *, most: int = 100, after: str | None = None) -> Sequence[Filing]:
        return self._store.all(states, most, after)

    def failing(self, most: int = 100) -> Sequence[Filing]:
        return self._store.failing(most)

    def preview_of_case(self, case: str, by: str) -> tuple[Filing | None, Draft]:
        """The case's latest report as it is kept, else what a draft would say now, which is not kept. Recorded."""
        reports = [f for f in self._store.of_case(case) if f.report.state is not ReportState.RETRACTED]
        if reports:
            return reports[-1], self.read(reports[-1].report.id, by)
        made, _, _ = self._made(case)
        self._audit.append([AuditEntry(at=self._now(), actor=by, action="report.preview", target=case)])
        return None, made

    def of_case(self, case: str) -> Sequence[Filing]:
        return self._store.of_case(case)

    def get(self, report: str) -> Filing:
        return self._store.get(report)

    def steps(self, report: str, *, words: bool = False) -> Sequence[Taken]:
        return self._store.steps(report, words=words)

    def read(self, report: str, by: str) -> Draft:
        self._told(by, "report.read", report)
        return self._store.draft(report)

    def preview(self, report: str, by: str) -> Preview:
        draft = self.read(report, by)
        form = FORMS[draft.authority]
        return Preview(form.write(draft.document), tuple(form.write(file.details) for file in draft.files))

    # -- drafting ------------------------------------------------------------------------------------------------------------------

    def draft(self, case: str, by: str) -> Filing:
        if any(f.report.state is not ReportState.RETRACTED and f.place == self.place for f in self._store.of_case(case)):
            raise Conflict("this case has a report already: edit, submit or correct that one, or draft it anew", field="case")
        made, about, by_hand = self._made(case)
        return self._store.create(made, self.place, by, about=about, by_hand=by_hand)

    def redraft(self, report: str, by: str, *, version: int) -> Filing:
        old = self._store.get(report)
        prior = self._corrected(old)
        made, _, _ = self._made(old.report.case, prior=prior, note=old.why)
        return self._store.revise(report, made, by, version=version)

    def edit(self, report: str, draft: Draft, by: str, *, version: int) -> Filing:
        old = self._store.get(report)
        if (draft.case, draft.authority) != (old.report.case, old.report.authority):
            raise Invalid("a draft belongs to its case and its authority", field="case")
        return self._store.revise(report, replace(draft, faults=self._faults(draft)), by, version=version)

    def correct(self, case: str, by: str, reason: str) -> Filing:
        if len(reason.strip()) < 3:
            raise Invalid("say what was wrong: the authority reads it", field="reason")
        filed = [f for f in self._store.of_case(case) if f.report.state in FILED and f.place == self.place]
        if not filed:
            raise Conflict("nothing of this case is filed at the authority: edit or retract the draft", field="case")
        latest = filed[-1]
        prior = tuple(f.report.authority_id for f in filed if f.report.authority_id is not None)
        note = f"Correction of report {latest.report.authority_id}. {reason.strip()}"
        made, about, by_hand = self._made(case, prior=prior, note=note)
        return self._store.create(made, self.place, by, about=about, corrects=latest.report.id, why=note, by_hand=by_hand)

    def _corrected(self, filing: Filing) -> tuple[str, ...]:
        if filing.corrects is None:
            return ()
        filed = [f for f in self._store.of_case(filing.report.case) if f.report.state in FILED and f.place == filing.place]
        return tuple(f.report.authority_id for f in filed if f.report.authority_id is not None)

    def _made(self, case: str, *, prior: Sequence[str] = (), note: str = "") -> tuple[Draft, str | None, list[str]]:
        """A draft of the case as it is now, whom it is about, and who else is to be told by hand. Raises Invalid where the authority is
        not the one for it."""
        found = self._cases(case)
        if found is None:
            raise NotFound("there is no such case", field="case")
        about: dict[str, list[str]] = {}
        if found.actor is not None:
            earlier = (f for f in self._store.about(found.actor) if f.report.case != case and f.place == self.place)
            about[found.actor] = [f.report.authority_id for f in earlier if f.report.authority_id is not None]
        file = self._files.open(case, prior=prior, about=about, note=note)
        routing = route_case(file, self._allowed, self._table)
        others = [r.authority.name for r in (*routing.to, *routing.owed) if r.authority.id != NAME]
        if all(r.authority.id != NAME for r in routing.to):
            where = f"; by hand: {', '.join(others)}" if others else ""
            raise Invalid(f"no authority that a report may be sent to takes it{where}", field="authorities.allowed")
        return self._drafter(file, self._now(), NAME), found.actor, others

    def _faults(self, draft: Draft) -> tuple[Fault, ...]:
        return tuple(FORMS[draft.authority].faults(draft, self._now()))

    # -- sending -------------------------------------------------------------------------------------------------------------------

    def submit(self, report: str, by: str) -> Filing:
        filing = self._store.get(report)
        draft = self._store.draft(report)
        # What the authority may hold goes on as it was drafted; anything else must be whole before it begins.
        if filing.report.authority_id is None:
            faults = self._faults(draft)
            # A correction may say that nobody confirms it any more: that is what it corrects.
            lacks = [m for m in draft.completeness.missing if m.required and not (m.field == "verdict" and filing.corrects is not None)]
            missing = [m.what.get("en", m.field) for m in lacks]
            if missing:
                raise Invalid(f"the report lacks: {'; '.join(missing[:5])}", field="draft")
            if faults:
                raise Invalid(f"{len(faults)} faults, the first: {faults[0]}", field=faults[0].path)
        self.book.must_approve(filing)
        asked = self._store.change(report, by, "report.submit", lambda f: asked_again(f, self._now()))
        self.book.again(asked, by)
        return asked

    def retract(self, report: str, by: str, reason: str) -> Filing:
        if len(reason.strip()) < 3:
            raise Invalid("say why: the audit keeps it", field="reason")
        return self._store.change(report, by, "report.retract", lambda f: asked_back(f, self._now()), reason=reason.strip()[:500])

    def run(self, report: str) -> Filing:
        filing = self.filer.run(report)
        self.book.tell(self)
        return filing

    def run_due(self) -> int:
        """The chore: what people ordered, what is due, and what came of it told to the desk."""
        self.book.heed(self)
        ran = self.filer.run_due()
        self.book.tell(self)
        return ran

    def _told(self, by: str, action: str, report: str) -> None:
        self._store.get(report)
        self._audit.append([AuditEntry(at=self._now(), actor=by, action=action, target=report)])
