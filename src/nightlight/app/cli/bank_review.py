"""The rest of `nightlight bank`: what people say of items, how a bank goes back, and how it leaves the house."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.core.bank import BankItem, BankKind
from nightlight.core.errors import Conflict, Denied, Invalid, NotFound

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight
    from nightlight.core.services import Caller

KEY = "NIGHTLIGHT_KEY"

Name = Annotated[str, typer.Argument(help="The bank's name.")]
Item = Annotated[str, typer.Argument(help="The item's id.")]
Note = Annotated[str, typer.Option(help="Why; kept sealed, or in the audit as a commitment.")]


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


COLUMNS = ("item", "source", "kind", "value", "quality", "enabled", "category", "generated", "labels", "provenance", "expires_at")
"""Of the CSV export: one line a fingerprint."""


def register(app: typer.Typer) -> None:
    for command in (approve, verdict, pause, resume, versions, rollback, export):
        app.command()(command)


def approve(
    name: Name,
    item: Item,
    lead: Annotated[
        bool, typer.Option("--lead", help=f"It also overrides authorities' lists: needs an API key with banks:lead in {KEY}.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Approve an item of a negative bank that somebody else proposed."""
    with opened() as nightlight:
        if lead and require_lead(nightlight).id == nightlight.banks.item(name, item).proposed_by:
            raise Denied("this key proposed it: it takes another person")
        approved = nightlight.banks.approve(name, item, operator(), lead=lead)
    if as_json:
        emit(approved)
        return
    over = " and overrides authorities' lists" if approved.overrides_authority else ""
    typer.echo(f"{approved.id} is {'enabled' if approved.enabled else 'approved, but disabled'}{over}.")


def require_lead(nightlight: Nightlight) -> Caller:
    """Whoever runs the command says who they are by their account; that they may do this, by the key of a lead."""
    from nightlight.core.services import Scope

    secret = os.environ.get(KEY, "")
    if not secret:
        raise Denied(f"this needs an API key with the scope {Scope.BANKS_LEAD.value} in {KEY}")
    caller = nightlight.keys.authenticate(secret)
    if Scope.BANKS_LEAD not in caller.scopes:
        raise Denied(f"the key in {KEY} has not the scope {Scope.BANKS_LEAD.value}")
    return caller


def verdict(
    name: Name,
    item: Item,
    confirm: Annotated[bool | None, typer.Option("--confirm/--deny", help="Whether it is what the bank says. One is required.")] = None,
    note: Note = "",
    file: Annotated[
        Path | None, typer.Option(help="The picture, where it is at hand: fingerprints of its parts are banked, to hold for review.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether an item is what its bank says. Your latest word counts."""
    if confirm is None:
        raise typer.BadParameter("say --confirm or --deny")
    try:
        data = file.read_bytes() if file is not None else None
    except OSError as error:
        raise Invalid(f"{file}: {error.strerror}", field="--file") from None
    with opened() as nightlight:
        given = nightlight.banks.verdict(name, item, confirm, operator(), note)
        derived = nightlight.banks.derive(name, item, data, operator()) if confirm and data is not None else None
    if as_json:
        emit({"verdict": given, "derived": derived})
        return
    typer.echo(f"{item} is {'confirmed' if confirm else 'denied'} by {given.by}.")
    if derived is not None:
        typer.echo(f"{derived.id} holds {len(derived.fingerprints)} fingerprints of its parts.")


def pause(name: Name, item: Item, note: Note = "", as_json: Json = False) -> None:
    """Let an item hold for review only, with no consequence for any account, until it is resumed."""
    with opened() as nightlight:
        held = nightlight.banks.pause(name, item, operator(), note)
    emit(held) if as_json else typer.echo(f"{item} is paused.")


def resume(name: Name, item: Item, note: Note = "", as_json: Json = False) -> None:
    """End an item's pause: after somebody's verdict, or with a note."""
    with opened() as nightlight:
        held = nightlight.banks.resume(name, item, operator(), note)
    emit(held) if as_json else typer.echo(f"{item} is in force again.")


def versions(
    name: Name, most: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 100, as_json: Json = False
) -> None:
    """What was changed in a bank and by whom, the newest first; it can go back to any of these."""
    with opened() as nightlight:
        kept = nightlight.banks.versions(name, most)
    if as_json:
        for version in kept:
            emit(version)
        return
    rows = [(v.version, f"{v.at:%Y-%m-%d %H:%M:%S}", v.by, v.what, f"+{v.added} ~{v.changed} -{v.removed}") for v in kept]
    table(("VERSION", "AT", "BY", "WHAT", "ITEMS"), rows)


def rollback(
    name: Name, version: Annotated[int, typer.Argument(help="As `bank versions` lists them.", min=0)], as_json: Json = False
) -> None:
    """Put a bank's settings and items back as they were at a version; this is a new version itself."""
    with opened() as nightlight:
        bank = nightlight.banks.rollback(name, version, operator())
    emit(bank) if as_json else typer.echo(f"Bank {bank.name} is as it was at version {version}; this is version {bank.version}.")


def export(
    name: Name, format: Annotated[Format, typer.Option(help="jsonl: an item a line; csv: a fingerprint a line.")] = Format.JSONL
) -> None:
    """Print a bank, for another service. Never a quarantine or negative bank, and never fingerprints of parts."""
    from nightlight.core.ports import AuditEntry

    with opened() as nightlight:
        bank = next((b for b in nightlight.banks.banks() if b.name == name), None)
        if bank is None:
            raise NotFound("no such bank", field="bank")
        if bank.kind not in (BankKind.OWN, BankKind.PARTNER):
            raise Conflict(f"a {bank.kind.value} bank is never exported", field="bank")
        entry = AuditEntry(at=nightlight.clock.now(), actor=operator(), action="bank.export", target=name, detail={"version": bank.version})
        nightlight.database.audit.append([entry])
        if format is Format.JSONL:
            for item in _items(nightlight, name):
                emit(_row(item) | {"fingerprints": item.fingerprints})
            return
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(COLUMNS)
        for item in _items(nightlight, name):
            writer.writerows(_lines(item))


def _items(nightlight: Nightlight, name: str) -> Iterator[BankItem]:
    after: str | None = None
    while page := nightlight.banks.items(name, after, 1000):
        after = page[-1].id
        yield from (item for item in page if item.derived_from is None)


def _row(item: BankItem) -> dict[str, Any]:
    fields = ("source", "enabled", "category", "generated", "labels", "provenance", "expires_at")
    return {"item": item.id, **{field: getattr(item, field) for field in fields}}


def _lines(item: BankItem) -> Iterator[Sequence[object]]:
    row = _row(item)
    ends, generated = item.expires_at, item.generated
    row |= {"labels": ";".join(item.labels), "expires_at": ends.isoformat() if ends else "", "category": item.category or ""}
    row |= {"generated": "" if generated is None else str(generated).lower(), "enabled": str(item.enabled).lower()}
    for f in item.fingerprints:
        told = row | {"kind": f.kind.value, "value": f.value, "quality": "" if f.quality is None else f.quality}
        yield [told[column] if told[column] is not None else "" for column in COLUMNS]
