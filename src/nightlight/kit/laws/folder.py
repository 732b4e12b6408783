"""What a detector's folder must hold."""

from __future__ import annotations

from nightlight.core.detect import MAX_STATE_BYTES, decode_state, encode_state
from nightlight.kit.examples import ExampleKind
from nightlight.kit.golden import read_golden_states
from nightlight.kit.laws.shared import canonical, law
from nightlight.kit.workbench import (
    Broken,
    Workbench,
    level_of,
    require,
)


@law
def card_is_complete(bench: Workbench) -> None:
    """The card says what the detector is called, what it looks for and on what, what it cannot do, and who answers for it."""
    card = bench.detector.card
    # `_template` is the one folder whose name cannot be its detector's: the underscore keeps it from being discovered.
    name = bench.folder.name.lstrip("_")
    require(card.name == name, f"card.toml: name is {card.name!r} in a folder called {name!r}")
    for field in ("version", "summary", "owner"):
        require(bool(getattr(card, field).strip()), f"card.toml: {field} is empty")
    for field in ("harms", "data", "languages", "limits"):
        require(bool(getattr(card, field)), f"card.toml: {field} is empty")
    require(all(limit.strip() for limit in card.limits), "card.toml: limits holds an empty line")
    require(card.state_version >= 1, f"card.toml: state_version is {card.state_version}; it starts at 1")


@law
def folder_is_complete(bench: Workbench) -> None:
    """The folder holds a README, a test, and a hit for each harm beside a near miss and a benign example."""
    readme = bench.folder / "README.md"
    require(readme.is_file() and bool(readme.read_text("utf-8").strip()), "README.md is missing or empty")
    require(any(bench.folder.glob("test_*.py")), "there is no test_*.py")
    for kind in ExampleKind:
        require(bool(bench.of_kind(kind)), f"examples.jsonl has no {kind} example")
    for harm in bench.detector.card.harms:
        require(any(e.harm is harm for e in bench.hits), f"examples.jsonl has no hit for {harm}, which the card claims")


@law
def examples_get_what_they_say(bench: Workbench) -> None:
    """Each hit reaches its level; each near miss and benign example stays at or below its own."""
    for example in bench.examples:
        peak = bench.trace(example).peak(example.harm)
        got = level_of(peak)
        if example.at_least is not None:
            require(
                got.rank >= example.at_least.rank,
                f"{example.harm} reached {got} (score {peak:.3f}), not {example.at_least}: {example.why}",
                example.name,
            )
        if example.at_most is not None:
            require(got.rank <= example.at_most.rank, f"reached {got} (score {peak:.3f}): {example.why}", example.name)


@law
def old_states_are_read(bench: Workbench) -> None:
    """States saved by every older version, kept in golden_states.jsonl, are read by `upgrade` and hold what they held."""
    detector, current = bench.detector, bench.detector.card.state_version
    kept = read_golden_states(bench.folder)
    for version in range(1, current):
        require(
            any(golden.version == version for golden in kept),
            f"golden_states.jsonl has no state of version {version}; the card's state_version is {current}",
        )
    for golden in kept:
        require(golden.version <= current, f"golden_states.jsonl has a state of version {golden.version}, after the card's {current}")
        what = f"a {golden.key_kind} state of version {golden.version}"
        try:
            state = decode_state(detector, golden.version, golden.raw, golden.key)
        except Exception as error:
            raise Broken(f"{what} cannot be read: {type(error).__name__}: {error}") from error
        raw = encode_state(state)
        require(len(raw) <= MAX_STATE_BYTES, f"{what} becomes {len(raw)} bytes")
        back = decode_state(detector, current, raw, golden.key)
        require(canonical(back) == canonical(state), f"{what} does not survive being saved anew")
        require(canonical(state) != canonical(detector.new(golden.key)), f"{what} becomes an empty one: what it held is forgotten")
