"""How two decisions about one event differ."""

from __future__ import annotations

from msgspec import Struct, structs

from nightlight.core.decision import SAFE, Act, Decision, Display


class Difference(Struct, frozen=True, kw_only=True):
    event_id: str
    only_live: tuple[str, ...]
    """Actions that only the live rules took, as `describe` writes them."""
    only_shadow: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not self.only_live and not self.only_shadow


def describe(action: Act) -> str:
    """An action in short, without the rule that asked for it or any account: `nudge children grooming.high.child`."""
    skip = ("rule", "account", "protects")
    values = (getattr(action, field) for field in action.__struct_fields__ if field not in skip)
    return " ".join([str(action.__struct_config__.tag), *(word for v in values if (word := _short(v)))])


def _short(value: object) -> str:
    if isinstance(value, Display):
        loosened = [name for name, given in structs.asdict(value).items() if given is not getattr(SAFE, name)]
        return f"but for {', '.join(loosened)}" if loosened else ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def compare(live: Decision, shadow: Decision) -> Difference:
    """Which actions only one of them takes. The same actions asked for by other rules are no difference."""
    ours, theirs = ({describe(a): None for a in d.actions} for d in (live, shadow))
    return Difference(
        event_id=live.event_id,
        only_live=tuple(a for a in ours if a not in theirs),
        only_shadow=tuple(a for a in theirs if a not in ours),
    )
