"""Known material: what a bank holds, or what looks like it within the bank's threshold.

A bank's listing is itself the judgement of a person elsewhere, so the score says how surely the listed picture was shared: the first
match counts in full, and a weaker one after it takes nothing away. Where lists disagree, `core.arbitration` says which match counts.
What accumulates is what an account shares over all conversations, and how many share one item at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from nightlight.core.arbitration import Outcome, arbitrate, known_false, settles
from nightlight.core.bank import BankAction, BankKind, Match
from nightlight.core.detect import Absorption, BaseDetector, Fact, Key, KeyKind, Observation, load_card
from nightlight.core.event import EventBase
from nightlight.core.features import Features, MediaFeatures, Sense
from nightlight.core.harm import Harm
from nightlight.core.signal import FLOOD, FLOOD_GOES_ON, PAUSED, WITHDRAWN, Evidence, Signal, Subject, SubjectKind
from nightlight.detectors.known_media.states import Met, Seen, Sharing, Uploader, mark, met_again
from nightlight.detectors.known_media.words import reason

SAME_BYTES = 1.0
NEAREST_LIKENESS, FARTHEST_LIKENESS = 0.95, 0.8
"""From no bit apart to just within the threshold: always a reviewer's matter (0.75), never quite the certainty of equal bytes."""
PART_OF_IT = 0.8
"""At most, where the match is of a part: a rectangle of another picture can be a shared background or a sticker. A reviewer's matter."""
AWAITING_REVIEW = 0.6
"""A quarantine bank holds what people reported of themselves and nobody has looked at: enough to hold for review, and no more."""

SEVERAL: Mapping[int, float] = {2: 0.6, 3: 0.75}
"""Different listed pictures by one account, and the score of the account. One may be bait or ignorance; three are a reviewer's matter."""
EACH_MORE, MOST = 0.05, 0.95

EVIDENCE = 8
"""Matches named as evidence, the strongest first."""
ITEMS_REMEMBERED = 8
"""Items remembered of one conversation, the latest met."""
ACCOUNT_ITEMS_REMEMBERED = 32
"""Different items remembered of one account; more change no score."""

_SEEN, _SEEN_PAUSED, _COUNTED, _SHARED = "seen", "seen_paused", "counted", "shared"


class _Version1(Struct, frozen=True):
    """States before the items were told apart. Every kind of key had one number, and conversations had no memory."""

    count: int


class KnownMedia(BaseDetector):
    card = load_card(Path(__file__).parent)
    state_type: Any = Sharing | Met | Uploader | Seen

    def keys(self, event: EventBase, features: Features) -> Sequence[Key]:
        return (Key.direction(event), Key.conversation(event)) if features.media is not None else ()

    def new(self, key: Key) -> Sharing | Met | Uploader | Seen:
        match key.kind:
            case KeyKind.ACCOUNT:
                return Uploader(0, ())
            case KeyKind.MEDIA:
                return Seen(0)
            case KeyKind.CONVERSATION:
                return Met(())
            case _:
                return Sharing(0)

    def wants(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> frozenset[Sense]:
        """Likeness only where the bytes settle nothing and there is something to search: a picture with structure, a foreign kind."""
        media = features.media
        if media is None or media.likeness_searched or not any(f.is_searchable for f in media.fingerprints):
            return frozenset()
        return frozenset() if _settled(media) else frozenset({Sense.MATCH_LIKENESS})

    def observe(self, states: Mapping[Key, Any], event: EventBase, features: Features) -> Observation:
        media = features.media
        direction, conversation = Key.direction(event), Key.conversation(event)
        if media is None or direction not in states or conversation not in states:
            return Observation()
        outcome = arbitrate(media.matches)
        if outcome is None:
            return Observation()
        if outcome.action is BankAction.COUNT:
            facts = () if outcome.suppressed_by is not None else (self._fact(event, outcome, _COUNTED),)
            return Observation(signals=(self._uncounted(event, outcome),), facts=facts)
        # What may not count against an account is not counted for it anywhere, so that nothing can come of it later.
        sharing = Sharing(states[direction].matches + (not outcome.spares_account))
        met = _meet(states[conversation], outcome)
        return Observation(
            states={direction: sharing, conversation: met},
            signals=(self._signal(event, outcome, sharing, met),),
            facts=self._facts(event, outcome),
        )

    def absorb(self, state: Any, fact: Fact) -> Absorption:
        if isinstance(state, Seen):
            return self._of_item(state, fact)
        return self._of_account(state, fact)

    def upgrade(self, version: int, raw: bytes, key: Key) -> Any:
        if version == 2:
            # Items had only their count then; the window of one that has no match yet in this hour is empty, so it reads as it stands.
            return msgspec.msgpack.decode(raw, type=self.state_type)
        if version != 1:
            return super().upgrade(version, raw, key)
        count = msgspec.msgpack.decode(raw, type=_Version1).count
        match key.kind:
            case KeyKind.MEDIA:
                return Seen(count)
            case KeyKind.ACCOUNT:
                return Uploader(count, ())  # which items they were is not known: counting any would claim what nobody can show
            case KeyKind.DIRECTION:
                return Sharing(count)
            case _:
                return super().upgrade(version, raw, key)

    # -- an event ------------------------------------------------------------------------------------------------------------------

    def _signal(self, event: EventBase, outcome: Outcome, sharing: Sharing, met: Met) -> Signal:
        found = [m for m in outcome.standing if m.action is not BankAction.COUNT][:EVIDENCE]
        reasons = [reason(match) for match in found]
        if sharing.matches > 1 and not outcome.spares_account:
            reasons[0] += f"; match number {sharing.matches} by this account in this conversation"
        reasons[0] = "; ".join((reasons[0], *outcome.notes))
        return Signal(
            subject=_subject(found[0]),
            harm=Harm.KNOWN_MATERIAL,
            score=met.items[-1][1],
            evidence=tuple(Evidence(event.id, said, match=match) for said, match in zip(reasons, found, strict=True)),
            at=event.at,
            detector=self.card.name,
            version=self.card.version,
            actor=None if outcome.spares_account else event.actor.account,
            protects=next((target.account for target in event.targets if target.age_band.is_minor), None),
        )

    def _uncounted(self, event: EventBase, outcome: Outcome) -> Signal:
        """Seen, and nothing comes of it: known false matches silence it, or the bank only counts."""
        false = outcome.suppressed_by
        why = "; ".join(outcome.notes) if false is not None else f"bank {outcome.match.bank} only counts its matches"
        said = f"not counted: {why}; else {reason(outcome.match)}" if false is not None else f"{reason(outcome.match)}; {why}"
        return Signal(
            subject=_subject(outcome.match),
            harm=Harm.KNOWN_MATERIAL,
            score=0.0,
            evidence=(Evidence(event.id, said, match=false or outcome.match),),
            at=event.at,
            detector=self.card.name,
            version=self.card.version,
            abstained=True,
        )

    def _facts(self, event: EventBase, outcome: Outcome) -> tuple[Fact, ...]:
        seen = self._fact(event, outcome, _SEEN_PAUSED if outcome.paused else _SEEN)
        if outcome.spares_account:
            return (seen,)
        account = Key.account(event.actor.account)
        return seen, msgspec.structs.replace(seen, key=account, name=_SHARED, other=_item(outcome.match))

    def _fact(self, event: EventBase, outcome: Outcome, name: str) -> Fact:
        return Fact(
            key=Key.media(_item(outcome.match)),
            name=name,
            at=event.at,
            event=event.id,
            detector=self.card.name,
            other=event.actor.account,
            value=_score(outcome.match),
        )

    # -- an item, over all accounts ------------------------------------------------------------------------------------------------

    def _of_item(self, seen: Seen, fact: Fact) -> Absorption:
        if fact.name == _COUNTED:
            return Absorption(state=msgspec.structs.replace(seen, times=seen.times + 1))
        if fact.name == PAUSED:
            return Absorption(state=msgspec.structs.replace(seen, paused=True))
        new = met_again(seen, fact.other or "", fact.at, paused=fact.name == _SEEN_PAUSED)
        if not new.told:
            return Absorption(state=new)
        # Said once for a person, and again with each further match until it is paused, in case whoever pauses it was interrupted.
        matches, accounts = new.recent
        said = f"a flood: {matches} matches of this item within an hour, by {accounts} accounts or more; no account is acted on for it"
        cue = FLOOD_GOES_ON if seen.told else FLOOD
        return Absorption(
            state=new,
            signals=(
                Signal(
                    subject=Subject(SubjectKind.MEDIA, fact.key.id),
                    harm=Harm.KNOWN_MATERIAL,
                    score=fact.value,
                    evidence=(Evidence(fact.event, said, cue=cue),),
                    at=fact.at,
                    detector=self.card.name,
                    version=self.card.version,
                ),
            ),
        )

    # -- an account, over all conversations ----------------------------------------------------------------------------------------

    def _of_account(self, old: Uploader, fact: Fact) -> Absorption:
        marked, withdrawn = mark(fact.other or ""), fact.name == WITHDRAWN
        if withdrawn:
            if marked not in old.items:
                return Absorption(state=old)
            new = Uploader(max(0, old.matches - 1), tuple(item for item in old.items if item != marked))
        else:
            room = marked not in old.items and len(old.items) < ACCOUNT_ITEMS_REMEMBERED
            new = Uploader(old.matches + 1, (*old.items, marked) if room else old.items)
        summary = {"matches": float(new.matches), "items": float(len(new.items))}
        return Absorption(state=new, summary=summary, signals=self._about_account(old, new, fact, withdrawn=withdrawn))

    def _about_account(self, old: Uploader, new: Uploader, fact: Fact, *, withdrawn: bool) -> tuple[Signal, ...]:
        different, before = len(new.items), len(old.items)
        if max(different, before if withdrawn else 0) < min(SEVERAL):
            return ()
        said = f"this account shared at least {different} different listed pictures, over all its conversations"
        if withdrawn:
            said = f"taken back: a picture that a flood of matches is about; {different} different listed pictures remain"
        return (
            Signal(
                subject=Subject(SubjectKind.ACCOUNT, fact.key.id),
                harm=Harm.KNOWN_MATERIAL,
                score=_of_several(different),
                evidence=(Evidence(fact.event, said),),
                at=fact.at,
                detector=self.card.name,
                version=self.card.version,
                actor=fact.key.id,
                corrects=withdrawn,
            ),
        )


def _of_several(different: int) -> float:
    most = max(SEVERAL)
    return SEVERAL.get(different, 0.0) if different < most else min(MOST, SEVERAL[most] + EACH_MORE * (different - most))


def _settled(media: MediaFeatures) -> bool:
    """Whether the bytes alone say what a search by likeness could not change."""
    false = known_false(media.matches)
    if false is not None:
        return false.overrides_authority  # else an authority's list may still know it by likeness
    return any(m.kind.is_exact and settles(m) for m in media.matches)


def _score(match: Match) -> float:
    if match.bank_kind is BankKind.QUARANTINE:
        return AWAITING_REVIEW
    if match.kind.is_exact:
        return SAME_BYTES
    likeness = NEAREST_LIKENESS - (NEAREST_LIKENESS - FARTHEST_LIKENESS) * (match.distance / max(1, match.threshold))
    part = match.derived or (match.variant is not None and match.variant.is_part)
    return min(PART_OF_IT, likeness) if part else likeness


def _item(match: Match) -> str:
    return f"{match.bank}/{match.item}"


def _subject(match: Match) -> Subject:
    return Subject(SubjectKind.MEDIA, _item(match))


def _meet(met: Met, outcome: Outcome) -> Met:
    """The item moves to the end of those met, with the highest score it had. Which match counts is for the lists to settle; how surely it
    is known material is what the surest of them says."""
    marked = mark(_item(outcome.match))
    scores = [_score(m) for m in outcome.standing if m.action is not BankAction.COUNT]
    best = max([*scores, *(score for known, score in met.items if known == marked)])
    others = tuple(item for item in met.items if item[0] != marked)
    return Met((*others, (marked, best))[-ITEMS_REMEMBERED:])
