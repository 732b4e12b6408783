"""`nightlight bank`: lists of known pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nightlight.app.cli.common import Exit, Json, emit, files_of, opened, operator, progress, table
from nightlight.core.fingerprint import PDQ_THRESHOLD, Bank, BankKind, Fingerprint, FingerprintKind

app = typer.Typer(help="Lists of known pictures to match against.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The bank's name.")]
Labels = Annotated[list[str] | None, typer.Option("--label", help="A label to keep with the item; may be repeated.")]
Source = Annotated[str | None, typer.Option(help="The source's own id of it.")]


@app.command("list")
def list_banks(as_json: Json = False) -> None:
    """All banks."""
    with opened() as nightlight:
        banks = nightlight.banks.banks()
    if as_json:
        for bank in banks:
            emit(bank)
        return
    rows = [(b.name, b.kind.value, f"{b.threshold} bits", "enabled" if b.enabled else "disabled", b.note) for b in banks]
    table(("BANK", "KIND", "THRESHOLD", "STATE", "NOTE"), rows)


@app.command()
def create(
    name: Name,
    kind: Annotated[BankKind, typer.Option(help="Whose list it is.")] = BankKind.OWN,
    threshold: Annotated[int, typer.Option(min=0, max=PDQ_THRESHOLD, help="Bits within which a PDQ hash matches.")] = PDQ_THRESHOLD,
    note: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Make an empty bank."""
    with opened() as nightlight:
        nightlight.banks.create(Bank(name=name, kind=kind, threshold=threshold, note=note), operator())
    typer.echo(f"Bank {name} is ready.")


@app.command()
def change(
    name: Name,
    threshold: Annotated[int | None, typer.Option(min=0, max=PDQ_THRESHOLD)] = None,
    enabled: Annotated[bool | None, typer.Option("--enable/--disable")] = None,
    note: Annotated[str | None, typer.Option()] = None,
) -> None:
    """Change a bank's threshold or note, or switch it on or off."""
    with opened() as nightlight:
        bank = nightlight.banks.change(name, operator(), threshold=threshold, enabled=enabled, note=note)
    typer.echo(f"Bank {bank.name}: threshold {bank.threshold} bits, {'enabled' if bank.enabled else 'disabled'}.")


@app.command()
def add(name: Name, files: Annotated[list[Path], typer.Argument(help="Pictures, or folders.")], label: Labels = None) -> None:
    """Bank pictures by their fingerprints; the pictures themselves are not kept."""
    from nightlight.senses.media import screen_bytes

    failed = False
    paths = files_of(files)
    with opened() as nightlight:
        for path in progress(paths, len(paths), "banking"):
            try:
                data = path.read_bytes()
            except OSError as error:
                failed = True
                typer.secho(f"{path}: {error.strerror}", err=True, fg="yellow")
                continue
            found = screen_bytes(data)
            there = [m for m in nightlight.banks.match(found.fingerprints) if m.bank == name and m.kind is FingerprintKind.SHA256]
            if there:
                typer.echo(f"{there[0].item}  {path}  (the very same bytes were there already)")
                continue
            item = nightlight.banks.add(name, found.fingerprints, operator(), labels=label or ())
            if found.unreadable is not None:
                typer.secho(f"{path}: {found.unreadable}: only exact copies will match", err=True, fg="yellow")
            kinds = ", ".join(f.kind.value for f in item.fingerprints)
            typer.echo(f"{item.id}  {path}  ({kinds})")
    if failed:
        raise typer.Exit(Exit.FOUND)


@app.command("add-hash")
def add_hash(
    name: Name,
    pdq: Annotated[str | None, typer.Option(help="64 hex digits.")] = None,
    sha256: Annotated[str | None, typer.Option(help="64 hex digits.")] = None,
    sha1: Annotated[str | None, typer.Option(help="40 hex digits.")] = None,
    md5: Annotated[str | None, typer.Option(help="32 hex digits.")] = None,
    label: Labels = None,
    source: Source = None,
) -> None:
    """Bank one item by fingerprints that a list gave you."""
    given = {FingerprintKind.PDQ: pdq, FingerprintKind.SHA256: sha256, FingerprintKind.SHA1: sha1, FingerprintKind.MD5: md5}
    fingerprints = [Fingerprint(kind, value.lower()) for kind, value in given.items() if value]
    if not fingerprints:
        raise typer.BadParameter("give at least one of --pdq, --sha256, --sha1, --md5")
    with opened() as nightlight:
        item = nightlight.banks.add(name, fingerprints, operator(), labels=label or (), source=source)
    typer.echo(item.id)


@app.command()
def items(name: Name, as_json: Json = False) -> None:
    """Everything in a bank."""
    rows: list[tuple[object, ...]] = []
    with opened() as nightlight:
        after: str | None = None
        while page := nightlight.banks.items(name, after=after, most=500):
            after = page[-1].id
            for item in page:
                if as_json:
                    emit(item)
                else:
                    kinds = ",".join(f.kind.value for f in item.fingerprints)
                    rows.append((item.id, "enabled" if item.enabled else "disabled", kinds, ",".join(item.labels), item.source or ""))
    if not as_json:
        table(("ITEM", "STATE", "FINGERPRINTS", "LABELS", "SOURCE"), rows)


@app.command()
def enable(
    name: Name, item: Annotated[str, typer.Argument(help="The item's id.")], on: Annotated[bool, typer.Option("--on/--off")] = True
) -> None:
    """Switch one item on or off."""
    with opened() as nightlight:
        changed = nightlight.banks.set_item_enabled(name, item, on, operator())
    typer.echo(f"{changed.id} is {'enabled' if changed.enabled else 'disabled'}.")


@app.command()
def remove(name: Name, item: Annotated[str, typer.Argument(help="The item's id.")]) -> None:
    """Take an item out of a bank."""
    with opened() as nightlight:
        nightlight.banks.remove(name, item, operator())
    typer.echo(f"{item} is gone from {name}.")
