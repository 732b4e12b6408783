"""`nightlight people`: who may sign in to the console, and as what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nightlight.app.cli.common import Json, emit, opened, operator, table
from nightlight.core.staff import Role

if TYPE_CHECKING:
    from nightlight.app.bootstrap import Nightlight
    from nightlight.core.reviewers import Person

app = typer.Typer(help="Reviewers' accounts: who may sign in to the console, and as what.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="What they type to sign in, such as ana.")]


@app.command()
def add(
    id: Id,
    role: Annotated[Role, typer.Option(help="What they may do.")],
    name: Annotated[str | None, typer.Option(help="Their name, as others read it.", show_default="ID")] = None,
    as_json: Json = False,
) -> None:
    """Make an account. Prints a link on which that person, once and within seven days, sets a password and an authenticator."""
    with opened() as nightlight:
        person, code = nightlight.reviewers.add(id, name or id, role, operator())
        _tell(nightlight, person, code, as_json)


@app.command("list")
def list_people(as_json: Json = False) -> None:
    """All accounts, without their secrets."""
    with opened() as nightlight:
        known = nightlight.reviewers.people()
    if as_json:
        for person in known:
            emit(person)
        return
    table(("ID", "NAME", "ROLE", "STATE", "RECOVERY CODES"), [(p.id, p.name, p.role, _state(p), p.recovery_codes) for p in known])


@app.command("role")
def set_role(id: Id, role: Annotated[Role, typer.Argument(help="What they may do from now on.")]) -> None:
    """Give another role. Their sessions end."""
    with opened() as nightlight:
        person = nightlight.reviewers.set_role(id, role, operator())
    typer.echo(f"{person.id} is {person.role} now.")


@app.command()
def disable(id: Id, undo: Annotated[bool, typer.Option("--undo", help="Let them sign in again.")] = False) -> None:
    """Nobody signs in with this account any more; its sessions end. It is never deleted: cases and the audit name it."""
    with opened() as nightlight:
        person = nightlight.reviewers.set_disabled(id, not undo, operator())
    typer.echo(f"{person.id} may {'sign in again' if undo else 'not sign in any more'}.")


@app.command()
def reset(id: Id, as_json: Json = False) -> None:
    """A lost authenticator or password: both go, their sessions end, and a new link is printed."""
    with opened() as nightlight:
        person, code = nightlight.reviewers.reset(id, operator())
        _tell(nightlight, person, code, as_json)


def _tell(nightlight: Nightlight, person: Person, code: str, as_json: bool) -> None:
    from nightlight.web.serve import address

    server = nightlight.settings.server
    base = nightlight.settings.console.address or address(server.host, server.port)
    if as_json:
        emit({"id": person.id, "role": person.role, "code": code, "link": f"{base}/console/enrol"})
        return
    typer.echo(f"{base}/console/enrol\n{code}")
    typer.secho(
        f"Give {person.id} ({person.role}) the page and the code, each by another way if you can. The code works once, for seven days.",
        err=True,
    )


def _state(person: Person) -> str:
    return "disabled" if person.disabled else "active" if person.enrolled else "invited"
