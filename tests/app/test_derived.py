"""Parts of a confirmed picture, through the whole service: a crop is found and held, and counts against nobody."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from nightlight.adapters.store.tables import facts
from nightlight.app.bench.pictures import encoded, invented
from nightlight.app.bootstrap import Nightlight
from nightlight.core.bank import Bank
from nightlight.core.decision import Allow, BlockContent, HoldContent, LimitContact
from nightlight.core.services import Answer
from tests.app.conftest import upload

PICTURE = invented(800, 640, 21)
CROP = encoded(PICTURE.crop((0, 0, 800, 512)), quality=80)
"""A fifth is missing below."""


def shared(graph: Nightlight, id: str, data: bytes) -> Answer:
    return graph.media.screen(msgspec.json.encode(upload(id=id)), data).result(60)


def test_a_crop_is_found_once_parts_are_banked_and_is_held_for_a_person(graph: Nightlight) -> None:
    graph.banks.create(Bank(name="own"), "test")
    data = encoded(PICTURE)
    item = graph.banks.add_bytes("own", data, "test")
    assert shared(graph, "before", CROP).decision.actions == (Allow(),)
    graph.banks.verdict("own", item.id, True, "reviewer")
    parts = graph.banks.derive("own", item.id, data, "reviewer")
    assert parts is not None and 10 <= len(parts.fingerprints) <= 24
    found = shared(graph, "after", CROP).decision
    assert isinstance(found.actions[0], HoldContent)
    assert not any(isinstance(a, LimitContact | BlockContent) for a in found.actions)
    assert f"from {parts.id} of bank own, a part of a confirmed picture" in found.reasons[0]
    assert isinstance(shared(graph, "whole", data).decision.actions[0], BlockContent), "the picture itself is what it was"
    while graph.second_hop.run():
        pass
    with graph.database.sql.read() as connection:
        rows = connection.execute(select(facts.c.other).where(facts.c.key_kind == "account", facts.c.other.like("own/%"))).all()
        told = {row.other for row in rows}
    assert told == {f"own/{item.id}"}, "nothing of the part counts against an account"
