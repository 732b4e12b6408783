"""`nightlight bank`: lists of known pictures."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import UNSET

from nightlight.app.cli import bank_review
from nightlight.app.cli.common import Exit, Json, emit, files_of, opened, operator, progress, table
from nightlight.app.cli.media import screened
from nightlight.core.bank import Bank, BankAction, BankItem, BankKind, Category
from nightlight.core.fingerprint import PDQ_THRESHOLD, Fingerprint, FingerprintKind

app = typer.Typer(help="Lists of known pictures to match against.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The bank's name.")]
Item = Annotated[str, typer.Argument(help="The item's id.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="A label to keep with the item; may be repeated.")]
Source = Annotated[str | None, typer.Option(help="The source's own id of it.")]
CategoryOf = Annotated[Category | None, typer.Option("--category", help="Who is shown and what, as lists classify it.")]
Generated = Annotated[bool | None, typer.Option("--generated/--not-generated", help="Whether a generative model made it.")]
Provenance = Annotated[str, typer.Option(help="Where the source has it from.")]
ExpiresAt = Annotated[str | None, typer.Option(help="When it leaves the bank, such as 2027-01-31; UTC unless told.")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Match this kind of fingerprint only; may be repeated.")]
Foreign = Annotated[list[str] | None, typer.Option("--foreign-threshold", help="Of a foreign kind, such as x-other=40; may be repeated.")]
Share = Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Of the events, those that are matched against it.")]


def kinds_of(names: list[str] | None) -> tuple[FingerprintKind, ...] | None:
    if names is None:
        return None
    try:
        return tuple(FingerprintKind(name) for name in names)
    except ValueError:
        raise typer.BadParameter("sha256, sha1, md5, pdq, or a foreign kind such as x-other", param_hint="--only") from None


def distances_of(given: list[str] | None) -> dict[str, int] | None:
    if given is None:
        return None
    pairs = [one.partition("=") for one in given]
    if not all(value.isascii() and value.isdigit() and len(value) < 10 for _, _, value in pairs):
        raise typer.BadParameter("a kind and its distance, such as x-other=40", param_hint="--foreign-threshold")
    return {name: int(value) for name, _, value in pairs}


def moment_of(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter("a date or time such as 2027-01-31 or 2027-01-31T12:00:00+01:00", param_hint="--expires-at") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


@app.command("list")
def list_banks(as_json: Json = False) -> None:
    """All banks."""
    with opened() as nightlight:
        banks = nightlight.banks.banks()
    if as_json:
        for bank in banks:
            emit(bank)
        return
    rows = [
        (
            b.name,
            b.kind.value + (" (authority)" if b.authority else ""),
            # A known false match does nothing by itself, and is found by its exact bytes only.
            "-" if b.kind is BankKind.NEGATIVE else b.action.value,
            "-" if b.kind is BankKind.NEGATIVE else f"{b.threshold} bits",
            f"{b.share:.0%}",
            "enabled" if b.enabled else "disabled",
            b.version,
            b.note,
        )
        for b in banks
    ]
    table(("BANK", "KIND", "ACTION", "THRESHOLD", "SHARE", "STATE", "VERSION", "NOTE"), rows)


@app.command()
def create(
    name: Name,
    kind: Annotated[BankKind, typer.Option(help="Whose list it is. It never changes.")] = BankKind.OWN,
    threshold: Annotated[int, typer.Option(min=0, max=PDQ_THRESHOLD, help="Bits within which a PDQ hash matches.")] = PDQ_THRESHOLD,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
    action: Annotated[BankAction, typer.Option(help="The most that a match may do by itself.")] = BankAction.BLOCK,
    only: Only = None,
    foreign_threshold: Foreign = None,
    share: Share = None,
    authority: Annotated[bool, typer.Option("--authority", help="An authority's list.")] = False,
    expires_after_days: Annotated[int | None, typer.Option(min=1, help="How long items stay.")] = None,
) -> None:
    """Make an empty bank."""
    bank = Bank(
        name=name,
        kind=kind,
        threshold=threshold,
        note=note,
        action=action,
        kinds=kinds_of(only) or (),
        thresholds=distances_of(foreign_threshold) or {},
        share=1.0 if share is None else share,
        authority=authority,
        expires_after_days=expires_after_days,
    )
    with opened() as nightlight:
        nightlight.banks.create(bank, operator())
    typer.echo(f"Bank {name} is ready.")


@app.command()
def change(
    name: Name,
    threshold: Annotated[int | None, typer.Option(min=0, max=PDQ_THRESHOLD, help="Bits within which a PDQ hash matches.")] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable")] = None,
    note: Annotated[str | None, typer.Option()] = None,
    action: Annotated[BankAction | None, typer.Option(help="The most that a match may do by itself.")] = None,
    only: Only = None,
    every_kind: Annotated[bool, typer.Option("--every-kind", help="Match every kind of fingerprint again.")] = False,
    foreign_threshold: Foreign = None,
    share: Share = None,
    authority: Annotated[
        bool | None,
        typer.Option("--authority/--no-authority", help="Whether it is an authority's list; that it is none any more, a lead says."),
    ] = None,
    expires_after_days: Annotated[int | None, typer.Option(min=0, help="How long items stay; 0: for good.")] = None,
    as_json: Json = False,
) -> None:
    """Change how a bank matches and what a match may do. Only what is given changes."""
    if every_kind and only:
        raise typer.BadParameter("either --only or --every-kind")
    with opened() as nightlight:
        lead = authority is False and any(b.name == name and b.authority for b in nightlight.banks.banks())
        if lead:
            bank_review.require_lead(nightlight)
        bank = nightlight.banks.change(
            name,
            operator(),
            lead=lead,
            threshold=threshold,
            enabled=enabled,
            note=note,
            action=action,
            kinds=() if every_kind else kinds_of(only),
            thresholds=distances_of(foreign_threshold),
            share=share,
            authority=authority,
            expires_after_days=UNSET if expires_after_days is None else expires_after_days or None,
        )
    if as_json:
        emit(bank)
        return
    state = "enabled" if bank.enabled else "disabled"
    typer.echo(f"Bank {bank.name}: at most {bank.action.value}, threshold {bank.threshold} bits, {state}; version {bank.version}.")


@app.command()
def add(
    name: Name,
    files: Annotated[list[Path], typer.Argument(help="Pictures and videos, folders, or patterns in quotes such as 'pictures/**/*.jpg'.")],
    label: Labels = None,
    category: CategoryOf = None,
    generated: Generated = None,
    provenance: Provenance = "",
    expires_at: ExpiresAt = None,
    as_json: Json = False,
) -> None:
    """Bank pictures by their fingerprints; the pictures themselves are not kept. In a negative bank each is a proposal.

    Exit code 1 where a file could not be read or decoded: of a picture or video that cannot be decoded the exact hashes are banked,
    of anything else nothing.
    """
    from nightlight.senses.media import screen_bytes

    failed = False
    told: dict[str, Any] = {"category": category, "generated": generated, "provenance": provenance, "expires_at": moment_of(expires_at)}
    paths = list(dict.fromkeys(files_of(files)))
    with opened() as nightlight:
        negative = {b.name for b in nightlight.banks.banks() if b.kind is BankKind.NEGATIVE}
        for path in progress(paths, len(paths), "banking"):
            _, found, why = screened(path, screen_bytes)
            record: dict[str, Any] = {"path": os.fsencode(path).decode(errors="replace")} | ({"unreadable": why} if why else {})
            failed = failed or why is not None
            if found is None or found.media_type is None:
                # An empty file, a script, what a file manager left in the folder: many have the very same bytes, and no picture.
                if as_json:
                    emit(record | {"item": None})
                else:
                    typer.secho(f"{path}: {why}; not banked", err=True, fg="yellow")
                continue
            # What a negative bank holds is the very same bytes, and nothing that looks alike.
            prints = [f for f in found.fingerprints if name not in negative or f.kind is FingerprintKind.SHA256]
            there = [m for m in nightlight.banks.match(prints) if m.bank == name and m.kind is FingerprintKind.SHA256]
            if there:
                if as_json:
                    emit(record | {"item": there[0].item, "there_already": True})
                else:
                    typer.echo(f"{there[0].item}  {path}  (the very same bytes were there already)")
                continue
            item = nightlight.banks.add(name, prints, operator(), labels=label or (), **told)
            if as_json:
                emit(record | {"item": item.id, "there_already": False, "proposal": item.proposed_by is not None})
                continue
            if why is not None:
                typer.secho(f"{path}: {why}: only exact copies will match", err=True, fg="yellow")
            kinds = ", ".join(dict.fromkeys(f.kind.value for f in item.fingerprints))
            typer.echo(f"{item.id}  {path}  ({kinds}{'; proposed' if item.proposed_by else ''})")
    if failed:
        raise typer.Exit(Exit.FOUND)


@app.command("add-hash")
def add_hash(
    name: Name,
    pdq: Annotated[str | None, typer.Option(help="64 hex digits.")] = None,
    sha256: Annotated[str | None, typer.Option(help="64 hex digits.")] = None,
    sha1: Annotated[str | None, typer.Option(help="40 hex digits.")] = None,
    md5: Annotated[str | None, typer.Option(help="32 hex digits.")] = None,
    foreign: Annotated[list[str] | None, typer.Option(help="Of a foreign kind, such as x-other=00ff...; may be repeated.")] = None,
    label: Labels = None,
    source: Source = None,
    category: CategoryOf = None,
    generated: Generated = None,
    provenance: Provenance = "",
    expires_at: ExpiresAt = None,
) -> None:
    """Bank one item by fingerprints that a list gave you. In a negative bank it is a proposal."""
    given = {FingerprintKind.PDQ: pdq, FingerprintKind.SHA256: sha256, FingerprintKind.SHA1: sha1, FingerprintKind.MD5: md5}
    fingerprints = [Fingerprint(kind, value.lower()) for kind, value in given.items() if value]
    for kind, _, value in (one.partition("=") for one in foreign or ()):
        fingerprints += [Fingerprint(known, value.lower()) for known in kinds_of([kind]) or ()]
    if not fingerprints:
        raise typer.BadParameter("give at least one of --pdq, --sha256, --sha1, --md5, --foreign")
    told: dict[str, Any] = {"category": category, "generated": generated, "provenance": provenance, "expires_at": moment_of(expires_at)}
    with opened() as nightlight:
        item = nightlight.banks.add(name, fingerprints, operator(), labels=label or (), source=source, **told)
    typer.echo(item.id)


def _state(item: BankItem) -> str:
    if item.proposed_by is not None and item.approved_by is None:
        return "proposed"
    return "disabled" if not item.enabled else "paused" if item.paused_at is not None else "enabled"


@app.command()
def items(name: Name, as_json: Json = False) -> None:
    """Everything in a bank: how often each item was met, and how many people confirmed or denied it."""
    import msgspec

    rows: list[tuple[object, ...]] = []
    with opened() as nightlight:
        after: str | None = None
        while page := nightlight.banks.items(name, after=after, most=500):
            after = page[-1].id
            standing = nightlight.banks.standing(name, [item.id for item in page])
            for item in page:
                now = standing[item.id]
                if as_json:
                    emit({**msgspec.to_builtins(item), "standing": now})
                    continue
                kinds = ",".join(dict.fromkeys(f.kind.value for f in item.fingerprints))
                about = ",".join([*([item.category.value] if item.category else []), *item.labels])
                rows.append((item.id, _state(item), kinds, now.seen, now.confirmed, now.denied, about, item.source or ""))
    if not as_json:
        table(("ITEM", "STATE", "FINGERPRINTS", "SEEN", "CONFIRMED", "DENIED", "LABELS", "SOURCE"), rows)


@app.command()
def enable(name: Name, item: Item, on: Annotated[bool, typer.Option("--on/--off")] = True) -> None:
    """Switch one item on or off."""
    with opened() as nightlight:
        changed = nightlight.banks.set_item_enabled(name, item, on, operator())
    typer.echo(f"{changed.id} is {'enabled' if changed.enabled else 'disabled'}.")


@app.command()
def remove(
    name: Name,
    item: Item,
    forget: Annotated[bool, typer.Option("--forget", help="Keep no history of it: no version brings it back.")] = False,
) -> None:
    """Take an item out of a bank."""
    with opened() as nightlight:
        nightlight.banks.remove(name, item, operator(), forget=forget)
    typer.echo(f"{item} is gone from {name}.")


bank_review.register(app)
