"""Rules on events by the table. Called for every event, so each combination of places is looked up once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from nightlight.core.event import EventBase, UserReport
from nightlight.core.gate import DataKind, Permission, Ruling
from nightlight.policy.gate.table import EVERYWHERE, PURPOSE, SERVICE, Cell, Table, shipped_table

UNKNOWN = "unknown"
_MOST = 4096
"""Combinations of places remembered, and cells kept for readiness: what a service sends never makes either grow for ever."""
_RULED = (DataKind.CONTENT, DataKind.TRAFFIC, DataKind.ACCOUNT)

_Asked = tuple[bool, str, bool, tuple[str | None, ...]]
"""Whether it is a user's report, the channel's kind, whether it is encrypted, and the places of the parties."""


class JurisdictionGate:
    """Implements `core.gate.Gate`. Safe to use from several threads.

    `home` overrides the table's: the place of parties whose place the service does not give.
    """

    def __init__(self, table: Table | None = None, *, home: str | None = None) -> None:
        self.table = shipped_table() if table is None else table
        self.home = home if home is not None else self.table.home
        self._cells = [cell for cell in self.table.cell if cell.purpose == PURPOSE]
        self._members = {cell: self._expanded(cell.places) for cell in self._cells}
        self._known: dict[_Asked, Permission] = {}
        self._met: dict[str, Cell | None] = {}
        self._lock = threading.Lock()

    def rule(self, event: EventBase) -> Permission:
        """What may be processed of this event, by the strictest ruling among all parties' places."""
        channel = event.channel
        targets = event.targets
        places: tuple[str | None, ...]
        if not targets:
            places = (event.actor.place,)
        elif len(targets) == 1:
            places = (event.actor.place, targets[0].place)
        else:
            places = tuple(dict.fromkeys((event.actor.place, *(party.place for party in targets))))
        asked = (
            type(event) is UserReport,
            channel.kind.value if channel is not None else SERVICE,
            channel is not None and channel.encrypted,
            places,
        )
        known = self._known.get(asked)
        return known if known is not None else self._look_up(asked)

    def undecided(self) -> list[str]:
        """Cells that events have met and nobody has decided, such as `content/direct/BR: undecided`."""
        return self._of(lambda label, _: label.endswith(f": {Ruling.UNDECIDED}"))

    def unconfirmed(self) -> list[str]:
        """Cells that permitted something and that nobody at the operator has put their name to."""
        return self._of(lambda label, cell: cell is not None and cell.ruling is Ruling.PERMITTED and cell.confirmed_by is None)

    def basis(self, label: str) -> str:
        """The law, in short, behind a cell that a `Permission` names; empty where no cell of the table fits."""
        cell = self._met.get(label)
        return cell.basis if cell is not None else ""

    # -- looking up ------------------------------------------------------------------------------------------------------------

    def _look_up(self, asked: _Asked) -> Permission:
        reported, channel, encrypted, given = asked
        places = list(dict.fromkeys(place or self.home or UNKNOWN for place in given))
        permitted: set[DataKind] = set()
        labels = []
        with self._lock:
            for kind in (DataKind.REPORTED,) if reported else _RULED:
                ruling, place, cell = max(
                    (self._at(kind, channel, encrypted, place) for place in places), key=lambda found: found[0].strictness
                )
                label = f"{kind}/{channel}{'+encrypted' if encrypted else ''}/{place}: {ruling}"
                labels.append(label)
                if len(self._met) < _MOST:
                    self._met.setdefault(label, cell)
                if ruling is Ruling.PERMITTED:
                    permitted.add(kind)
                elif kind is DataKind.REPORTED and ruling is Ruling.UNDECIDED:
                    permitted.add(kind)  # somebody asked us to look: only a cell that forbids it may stop that
            if DataKind.REPORTED in permitted:
                # Whom a report is about, and their ages, are part of what was reported.
                permitted |= {DataKind.TRAFFIC, DataKind.ACCOUNT}
            permission = Permission(frozenset(permitted), tuple(labels))
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[asked] = permission
        return permission

    def _at(self, kind: DataKind, channel: str, encrypted: bool, place: str) -> tuple[Ruling, str, Cell | None]:
        """The strictest of the cells that fit one place; undecided where none does, or where the place itself is unknown."""
        fitting = [
            cell
            for cell in self._cells
            if kind in cell.data
            and channel in cell.channels
            and (cell.encrypted is None or cell.encrypted == encrypted)
            and (EVERYWHERE in cell.places or place in self._members[cell] or place[:2] in self._members[cell])
        ]
        cell = max(fitting, key=lambda c: c.ruling.strictness, default=None)
        ruling = cell.ruling if cell is not None else Ruling.UNDECIDED
        if place == UNKNOWN and ruling is Ruling.PERMITTED and kind is not DataKind.REPORTED:
            return Ruling.UNDECIDED, place, None
        return ruling, place, cell

    def _expanded(self, places: tuple[str, ...]) -> frozenset[str]:
        """A region stands for itself and for its members: a service may know no more than `EU`."""
        return frozenset(p for place in places for p in (place, *self.table.regions.get(place, ())))

    def _of(self, wanted: Callable[[str, Cell | None], bool]) -> list[str]:
        with self._lock:
            return sorted(label for label, cell in self._met.items() if wanted(label, cell))
