"""`SqlBanks`: banks and their items in the database, and a fingerprint index in memory kept in step with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from sqlalchemy import Connection, insert, select, update

from nightlight.adapters.index import foreign
from nightlight.adapters.store.banks import bulk, checks, versions
from nightlight.adapters.store.banks import verdicts as judged
from nightlight.adapters.store.banks.derived import Deriver, is_the_item, worth_keeping
from nightlight.adapters.store.banks.lookup import DERIVED, Annotator
from nightlight.adapters.store.banks.mirror import Mirror
from nightlight.adapters.store.banks.rows import Rows, bank_columns, bank_of, bank_values, item_columns, no_bank, no_item, settings_of
from nightlight.adapters.store.banks.verdicts import Seen
from nightlight.adapters.store.banks.writing import Change, Detail, changing
from nightlight.adapters.store.engine import Sql
from nightlight.adapters.store.ledger import AuditLog
from nightlight.adapters.store.tables import bank_changes, bank_items, bank_versions, banks, micros, moment
from nightlight.core.bank import (
    Applied,
    Bank,
    BankAction,
    BankItem,
    BankKind,
    BankVersion,
    Category,
    FingerprintIndex,
    ItemVerdict,
    Match,
    NewItem,
    Standing,
)
from nightlight.core.clock import Clock
from nightlight.core.errors import Conflict, Denied, Invalid
from nightlight.core.fingerprint import Fingerprint, FingerprintKind, check_written
from nightlight.core.ids import new_id
from nightlight.core.ports import AuditEntry, Sealer

Hasher = Callable[[bytes], tuple[Fingerprint, ...]]

_EXPIRED_AT_ONCE = 1000


class SqlBanks:
    """Fills `core.services.BankService` and `core.bank.Searcher`. When it is made, the index is brought up to what is committed:
    a lasting one by the changes since its files were written, any other by loading every item. Call `refresh` about every half second to
    see what other processes changed. Safe to use from several threads.

    `deriver` makes the fingerprints of parts of a picture; without one nothing is derived. `seen` reads how often an item was met."""

    def __init__(
        self,
        sql: Sql,
        audit: AuditLog,
        sealer: Sealer,
        clock: Clock,
        index: FingerprintIndex,
        hasher: Hasher,
        *,
        deriver: Deriver | None = None,
        seen: Seen | None = None,
        on_forget: Callable[[str, Sequence[str]], None] = lambda _bank, _items: None,
    ) -> None:
        self._sql, self._audit, self._clock = sql, audit, clock
        self._index, self._hasher, self._deriver, self._seen = index, hasher, deriver, seen
        self._on_forget = on_forget
        self._rows = Rows(sealer)
        self._annotator = Annotator(sql, clock)
        self._mirror = Mirror(sql, self._rows, index)
        self.refresh, self.rebuild = self._mirror.refresh, self._mirror.rebuild

    # -- reading -------------------------------------------------------------------------------------------------------------------

    def banks(self) -> Sequence[Bank]:
        with self._sql.read() as connection:
            return [bank_of(row) for row in connection.execute(bank_columns().order_by(banks.c.name)).all()]

    def items(self, bank: str, after: str | None = None, most: int = 100) -> Sequence[BankItem]:
        """A page in order of id; pass the last id as `after` to go on. Raises NotFound."""
        page = item_columns().where(bank_items.c.bank == bank, bank_items.c.id > (after or "")).order_by(bank_items.c.id)
        with self._sql.read() as connection:
            if connection.execute(select(banks.c.name).where(banks.c.name == bank)).first() is None:
                raise no_bank()
            return [self._rows.item(row) for row in connection.execute(page.limit(most)).all()]

    def item(self, bank: str, item: str) -> BankItem:
        """Raises NotFound."""
        with self._sql.read() as connection:
            return self._rows.item(_row(connection, bank, item))

    def sizes(self) -> Mapping[FingerprintKind, int]:
        return self._index.sizes()

    def versions(self, bank: str, most: int = 100) -> Sequence[BankVersion]:
        """Those that can be gone back to, the newest first. Raises NotFound."""
        with self._sql.read() as connection:
            return versions.listed(connection, bank, most)

    # -- searching -----------------------------------------------------------------------------------------------------------------

    def match(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Match]:
        check_written(fingerprints)
        foreign.check(self._index, fingerprints)
        return self.search(fingerprints)

    def search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        found = self._index.search(fingerprints)
        return self._annotator.annotate(found, self._mirror.banks) if found else found

    def search_exact(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        found = self._index.search_exact(fingerprints)
        return self._annotator.annotate(found, self._mirror.banks) if found else found

    def search_many(self, queries: Sequence[Sequence[Fingerprint]]) -> list[list[Match]]:
        found = self._index.search_many(queries)
        return self._annotator.annotate_many(found, self._mirror.banks) if any(found) else found

    # -- banks ---------------------------------------------------------------------------------------------------------------------

    def create(self, bank: Bank, by: str) -> Bank:
        """Raises Conflict where the name is taken, Invalid where a setting is none."""
        bank, now = checks.new_bank(bank), self._clock.now()
        made = replace(bank, created_at=moment(micros(now)), version=1)
        with self._audit.transaction() as ledger:
            if ledger.connection.execute(select(banks.c.name).where(banks.c.name == bank.name)).first() is not None:
                raise Conflict("there is a bank of this name", field="name")
            row = {"name": bank.name, "kind": bank.kind.value, **bank_values(bank)}
            ledger.connection.execute(insert(banks).values(**row, created_at=micros(now), version=1))
            first = {"bank": bank.name, "version": 1, "at": micros(now), "by": by, "what": "bank.create", "settings": settings_of(made)}
            ledger.connection.execute(insert(bank_versions).values(**first, added=0, changed=0, removed=0))
            ledger.connection.execute(insert(bank_changes).values(bank=bank.name, item=""))
            detail: Detail = {"kind": bank.kind.value, **_told(bank_values(bank))}
            ledger.append(AuditEntry(at=now, actor=by, action="bank.create", target=bank.name, detail=detail))
        self.refresh()
        return made

    def change(
        self,
        name: str,
        by: str,
        *,
        threshold: int | None = None,
        enabled: bool | None = None,
        note: str | None = None,
        action: BankAction | None = None,
        kinds: Sequence[FingerprintKind] | None = None,
        thresholds: Mapping[str, int] | None = None,
        share: float | None = None,
        authority: bool | None = None,
        expires_after_days: int | UnsetType | None = UNSET,
        lead: bool = False,
    ) -> Bank:
        """Only what is given changes. Raises NotFound or Invalid; Denied where an authority's list is to be none and no lead says so."""
        given: dict[str, Any] = {
            "threshold": threshold,
            "enabled": enabled,
            "note": note,
            "action": action,
            "kinds": kinds,
            "thresholds": thresholds,
            "share": share,
            "authority": authority,
        }
        checks.settings(**given, expires_after_days=None if expires_after_days is UNSET else expires_after_days)
        wanted = {field: value for field, value in given.items() if value is not None}
        if kinds is not None:
            wanted["kinds"] = tuple(kinds)
        if expires_after_days is not UNSET:
            wanted["expires_after_days"] = expires_after_days
        with changing(self._audit, name, self._clock.now(), by) as change:
            if change.bank.authority and authority is False and not lead:
                raise Denied("only a lead says that this is no authority's list any more: known false matches would override it")
            before, after = bank_values(change.bank), bank_values(new := replace(change.bank, **wanted))
            changed = {field: value for field, value in after.items() if value != before[field]}
            if changed:
                change.set_bank(new)
                change.record("bank.change", name, _told(changed))
        self.refresh()
        return change.after()

    def rollback(self, bank: str, version: int, by: str) -> Bank:
        """Settings and items as they were at that version, as a new one. Raises NotFound where it is none, or no longer kept."""
        with changing(self._audit, bank, self._clock.now(), by) as change:
            versions.roll_back(change, self._rows, version)
        self.refresh()
        return change.after()

    # -- items ---------------------------------------------------------------------------------------------------------------------

    def add(
        self,
        bank: str,
        fingerprints: Sequence[Fingerprint],
        by: str,
        *,
        labels: Sequence[str] = (),
        source: str | None = None,
        category: Category | None = None,
        generated: bool | None = None,
        provenance: str = "",
        expires_at: datetime | None = None,
    ) -> BankItem:
        """One new item; in a negative bank a proposal. Raises NotFound for the bank, Invalid for the rest."""
        if isinstance(labels, str):
            raise Invalid("a list of labels", field="labels")
        given = NewItem(
            fingerprints=tuple(fingerprints),
            labels=tuple(labels),
            source=source,
            category=category,
            generated=generated,
            provenance=provenance,
            expires_at=expires_at,
        )
        checks.item(given, BankKind.OWN, self._clock.now())  # before any lock is taken
        foreign.check(self._index, given.fingerprints)
        with changing(self._audit, bank, now := self._clock.now(), by) as change:
            new = checks.item(given, change.bank.kind, now)
            item = bulk.made(new, change.bank, new_id("item"), by, now)
            change.insert([self._rows.values(item)])
            detail: Detail = {"fingerprints": len(new.fingerprints), "commitment": self._rows.commitment(new.fingerprints)}
            action = "bank.item.add" if change.bank.kind is not BankKind.NEGATIVE else "bank.item.propose"
            change.record(action, f"{bank}/{item.id}", detail)
        self.refresh()
        return item

    def add_bytes(
        self,
        bank: str,
        data: bytes,
        by: str,
        *,
        labels: Sequence[str] = (),
        source: str | None = None,
        category: Category | None = None,
        generated: bool | None = None,
        provenance: str = "",
        expires_at: datetime | None = None,
    ) -> BankItem:
        """Hash the bytes and bank their fingerprints; the bytes are not kept. A negative bank gets the SHA-256 alone."""
        found = self._hasher(data)
        known = self._mirror.banks.get(bank)
        if known is not None and known.kind is BankKind.NEGATIVE:
            found = tuple(f for f in found if f.kind is FingerprintKind.SHA256)
        told: dict[str, Any] = {"category": category, "generated": generated, "provenance": provenance, "expires_at": expires_at}
        return self.add(bank, found, by, labels=labels, source=source, **told)

    def apply(
        self,
        bank: str,
        put: Sequence[NewItem],
        withdraw: Sequence[str],
        by: str,
        also: Callable[[Connection, Applied], None] | None = None,
    ) -> Applied:
        """Many changes of one list: one transaction, one version, one audit entry. Raises NotFound, Invalid or TooLarge, and then
        nothing was changed."""
        now = self._clock.now()
        with self._sql.read() as connection:
            found = connection.execute(bank_columns().where(banks.c.name == bank)).first()
            if found is None:
                raise no_bank()
            known = bank_of(found)
            new = bulk.checked(put, withdraw, known.kind, now)
            for i, one in enumerate(new):
                foreign.check(self._index, one.fingerprints, f"put[{i}].")
            # Comparing and sealing take most of the time, so they are done while others may still write.
            plan = bulk.plan(connection, self._rows, known, new, put, withdraw, by, now)
        with changing(self._audit, bank, now, by) as change:
            if change.bank.version != plan.version:
                plan = bulk.plan(change.connection, self._rows, change.bank, new, put, withdraw, by, now)
            done = Applied(added=len(plan.new), changed=len(plan.changed), withdrawn=len(plan.withdrawn), unchanged=plan.unchanged)
            if not plan.is_empty:
                gone = [*plan.withdrawn, *plan.extra]
                change.remove([*gone, *change.parts_of([*gone, *plan.unfit])])
                change.replace(plan.changed)
                change.insert(plan.new)
                counts = {"added": done.added, "changed": done.changed, "withdrawn": done.withdrawn, "unchanged": done.unchanged}
                change.record("bank.apply", bank, {**counts, "commitment": self._rows.commitment(put, list(withdraw))})
            if also is not None:  # such as how far the list has been read: committed with the page, or not at all
                also(change.connection, done)
        self.refresh()
        return done

    def set_item_enabled(self, bank: str, item: str, enabled: bool, by: str) -> BankItem:
        """What was derived from it goes with it. Raises NotFound; Conflict where it is a proposal that nobody approved."""
        with changing(self._audit, bank, self._clock.now(), by) as change:
            found = _row(change.connection, bank, item)
            if enabled and change.bank.kind is BankKind.NEGATIVE and found.approved_by is None:
                raise Conflict("an item of a negative bank is switched on by another person's approval", field="item")
            if bool(found.enabled) != enabled:
                change.update([item, *change.parts_of([item])], enabled=enabled)
                change.record("bank.item.enable" if enabled else "bank.item.disable", f"{bank}/{item}")
        self.refresh()
        return replace(self._rows.item(found), enabled=enabled)

    def remove(self, bank: str, item: str, by: str, *, forget: bool = False) -> None:
        """With what was derived from it. `forget`: without history, and without what people said of it. Raises NotFound."""
        with changing(self._audit, bank, self._clock.now(), by) as change:
            _row(change.connection, bank, item)
            these = [item, *change.parts_of([item])]
            if forget:
                from nightlight.adapters.lifecycle.deletion import thorough

                self._on_forget(bank, these)
                with thorough(change.connection):
                    change.remove(these, forget=True)
            else:
                change.remove(these)
            change.record("bank.item.forget" if forget else "bank.item.remove", f"{bank}/{item}")
        if forget:
            from nightlight.adapters.lifecycle.deletion import clear_journal

            clear_journal(self._sql)
        self.refresh()

    def withdraw_from(self, case: str, by: str) -> int:
        """Forget every item whose source begins with `case:` and that id, with what was derived from it; how many. Not in negative
        banks: an item of theirs says that a picture is harmless, which an overturned verdict confirms."""
        from nightlight.adapters.lifecycle.deletion import clear_journal, thorough

        done, now = 0, self._clock.now()
        for bank in [bank.name for bank in self.banks() if bank.kind is not BankKind.NEGATIVE]:
            i = bank_items.c
            of_case = select(i.id).where(i.bank == bank, i.source.startswith(f"case:{case}", autoescape=True), i.derived_from.is_(None))
            with self._sql.read() as connection:
                if connection.execute(of_case.limit(1)).first() is None:
                    continue
            with changing(self._audit, bank, now, by) as change:
                items = list(change.connection.execute(of_case).scalars())
                these = [*items, *change.parts_of(items)]
                self._on_forget(bank, these)
                with thorough(change.connection):
                    change.remove(these, forget=True)
                change.record("bank.withdraw", bank, {"case": case, "items": len(items)})
                done += len(items)
        if done:
            clear_journal(self._sql)
            self.refresh()
        return done

    def approve(self, bank: str, item: str, by: str, *, lead: bool = False) -> BankItem:
        """Raises NotFound; Denied where `by` proposed it; Conflict where there is nothing to approve."""
        with changing(self._audit, bank, now := self._clock.now(), by) as change:
            held = self._rows.item(found := _row(change.connection, bank, item))
            if change.bank.kind is not BankKind.NEGATIVE:
                raise Conflict("only items of negative banks are approved", field="bank")
            if held.proposed_by is None or held.proposed_by == by:
                raise Denied("it takes another person than the one who proposed it")
            if held.expires_at is None or held.expires_at <= now:
                raise Conflict("this proposal has ended: propose it again", field="item")
            if any(f.kind is not FingerprintKind.SHA256 for f in held.fingerprints):
                raise Conflict("a negative bank matches the very same bytes: propose it again by its SHA-256 alone", field="item")
            if found.approved_by is None or (lead and not found.overrides_authority):
                # A lead's approval of what is switched off does not switch it on again.
                on = bool(found.enabled) or found.approved_by is None
                overrides = lead or held.overrides_authority
                change.update([item], enabled=on, approved_by=by, overrides_authority=overrides)
                held = replace(held, enabled=on, approved_by=by, overrides_authority=overrides)
                change.record("bank.item.approve", f"{bank}/{item}", {"proposed_by": held.proposed_by, "overrides_authority": overrides})
        self.refresh()
        return held

    def expire(self, now: datetime) -> int:
        """Remove what is due, with what was derived from it; how many items. Cheap where nothing is."""
        done = 0
        for bank in sorted(self._mirror.banks.values(), key=lambda b: b.name):
            due = self._due(bank, now)
            while due:
                with changing(self._audit, bank.name, now, "system") as change:
                    due = self._due(change.bank, now, change)
                    change.remove(list(dict.fromkeys([*due, *change.parts_of(due)])))
                    if due:
                        change.record("bank.expire", bank.name, {"items": change.removed})
                    done += change.removed
                if len(due) < _EXPIRED_AT_ONCE:  # also where another process changed the bank, or was quicker
                    break
        if done:
            self.refresh()
        return done

    def _due(self, bank: Bank, now: datetime, change: Change | None = None) -> list[str]:
        i = bank_items.c
        wanted = [select(i.id).where(i.bank == bank.name, i.expires_at <= micros(now))]
        if bank.expires_after_days is not None:
            cutoff = micros(now - timedelta(days=bank.expires_after_days))
            wanted.append(select(i.id).where(i.bank == bank.name, i.expires_at.is_(None), i.created_at <= cutoff))
        if change is not None:
            return [id for page in wanted for id in change.connection.execute(page.limit(_EXPIRED_AT_ONCE)).scalars()]
        with self._sql.read() as connection:
            return [id for page in wanted for id in connection.execute(page.limit(1)).scalars()]

    # -- people's judgement --------------------------------------------------------------------------------------------------------

    def verdict(self, bank: str, item: str, confirm: bool, by: str, note: str = "") -> ItemVerdict:
        """The person's latest on that item from now on. Raises NotFound or Invalid."""
        checks.text(note, "note")
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            source = _row(ledger.connection, bank, item).source
            given = judged.give(ledger.connection, self._rows, bank, item, source, confirm, by, note, micros(now))
            action = "bank.item.confirm" if confirm else "bank.item.deny"
            ledger.append(AuditEntry(at=now, actor=by, action=action, target=f"{bank}/{item}"))
        return given

    def verdicts(self, bank: str, item: str) -> Sequence[ItemVerdict]:
        """Those that count, one a person, the oldest first."""
        with self._sql.read() as connection:
            return judged.latest(connection, self._rows, bank, item)

    def unsent_verdicts(self, bank: str, most: int = 100) -> Sequence[ItemVerdict]:
        with self._sql.read() as connection:
            return judged.unsent(connection, self._rows, bank, most)

    def mark_sent(self, bank: str, verdicts: Sequence[int]) -> None:
        now = self._clock.now()
        with self._audit.transaction() as ledger:
            if done := judged.mark_sent(ledger.connection, bank, verdicts, micros(now)):
                ledger.append(AuditEntry(at=now, actor="system", action="bank.verdicts.sent", target=bank, detail={"verdicts": done}))

    def standing(self, bank: str, items: Sequence[str]) -> Mapping[str, Standing]:
        with self._sql.read() as connection:
            return judged.standing(connection, bank, items, self._seen)

    def pause(self, bank: str, item: str, by: str, note: str = "") -> BankItem:
        """No version: going back must not lift it. Raises NotFound."""
        return self._pause(bank, item, by, micros(self._clock.now()), note)

    def resume(self, bank: str, item: str, by: str, note: str = "") -> BankItem:
        """Raises NotFound; Conflict where nobody judged it since it was paused and no note says why it may go on."""
        return self._pause(bank, item, by, None, note)

    def _pause(self, bank: str, item: str, by: str, at: int | None, note: str) -> BankItem:
        checks.text(note, "note")
        with self._audit.transaction() as ledger:
            found = _row(ledger.connection, bank, item)
            if (found.paused_at is None) != (at is None):
                if at is None and not note.strip() and not judged.given_since(ledger.connection, bank, item, found.paused_at):
                    raise Conflict("nobody has judged it since it was paused: give a verdict first, or a note", field="note")
                this = bank_items.c.bank == bank, bank_items.c.id == item
                ledger.connection.execute(update(bank_items).where(*this).values(paused_at=at))
                ledger.connection.execute(insert(bank_changes).values(bank=bank, item=item))
                told: Detail = {"note": self._rows.commitment(note)} if note else {}
                action = "bank.item.resume" if at is None else "bank.item.pause"
                ledger.append(AuditEntry(at=self._clock.now(), actor=by, action=action, target=f"{bank}/{item}", detail=told))
            held = self._rows.item(_row(ledger.connection, bank, item))
        self.refresh()
        return held

    def derive(self, bank: str, item: str, data: bytes, by: str) -> BankItem | None:
        """Once an item: what was derived before is returned as it is. Raises NotFound, Conflict, Invalid; see `BankService`."""
        whole = self.item(bank, item)
        known = next(b for b in self.banks() if b.name == bank)
        if known.kind is not BankKind.OWN:
            raise Conflict("parts are derived in own banks only: a partner's list is theirs to make", field="bank")
        if whole.derived_from is not None:
            raise Conflict("this is a part already", field="item")
        if not any(v.confirm for v in self.verdicts(bank, item)):
            raise Conflict("a person must confirm the item first", field="item")
        if not is_the_item(self._hasher(data), whole, known.threshold):
            raise Invalid("these bytes are not the item's", field="file")
        parts = worth_keeping(self._deriver(data) if self._deriver is not None else (), whole)
        if not parts:
            return None
        with changing(self._audit, bank, now := self._clock.now(), by) as change:
            whole = self._rows.item(_row(change.connection, bank, item))
            if there := change.parts_of([item]):
                return self._rows.item(_row(change.connection, bank, there[0]))
            made = BankItem(
                id=new_id(DERIVED.rstrip("_")),
                bank=bank,
                fingerprints=parts,
                enabled=whole.enabled,
                created_at=moment(micros(now)),
                category=whole.category,
                generated=whole.generated,
                expires_at=whole.expires_at,
                derived_from=item,
            )
            change.insert([self._rows.values(made)])
            detail: Detail = {"fingerprints": len(parts), "derived_from": item, "commitment": self._rows.commitment(parts)}
            change.record("bank.item.derive", f"{bank}/{made.id}", detail)
        self.refresh()
        return made


def _row(connection: Any, bank: str, item: str) -> Any:
    found = connection.execute(item_columns().where(bank_items.c.bank == bank, bank_items.c.id == item)).first()
    if found is None:
        raise no_item()
    return found


def _told(values: Mapping[str, Any]) -> Detail:
    """Settings for the audit: a note is somebody's words, and what is packed is told by its length."""
    return {name: len(v) if isinstance(v, bytes) else v for name, v in values.items() if name != "note"}
