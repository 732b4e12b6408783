"""The automaton finds exactly what trying every expression at every word finds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.detectors._conversation.weights import ASKS, REPORTS, UNEASE
from nightlight.detectors.grooming.weights import WEIGHTS as GROOMING
from nightlight.detectors.immediate_danger.detector import ABOUT_AUTHOR, ABOUT_OTHERS
from nightlight.detectors.sextortion.weights import WEIGHTS as SEXTORTION
from nightlight.senses.text import automaton, lexicon, sexual
from nightlight.senses.text.learned import REASONS
from nightlight.senses.text.lexicon import CueFile, Lexicon
from nightlight.senses.text.sensor import default_lexicon

TINY = Lexicon(
    msgspec.convert(
        {
            "language": "en",
            "words": {"fruit": ["plum", "pear"]},
            "cue": [
                {"name": "eats", "reason": "eats", "strength": 0.4, "phrases": ["eat <2> {fruit}", "eat [the] {fruit} [and] pear|bread"]},
                {"name": "eats", "reason": "eats much", "strength": 0.9, "phrases": ["eat all {fruit}"], "softened_by": ["says", "laughs"]},
                {"name": "age", "reason": "age", "strength": 0.5, "phrases": ["im [only] {minor_age}", "im {number} or"]},
                {"name": "pays", "reason": "pays", "strength": 0.5, "phrases": ["pay {money}", "pay <3> now"]},
            ],
            "modifier": [
                {"name": "says", "factor": 0.5, "before": True, "phrases": ["he said"]},
                {"name": "laughs", "factor": 0.5, "before": False, "phrases": ["lol"]},
            ],
        },
        CueFile,
    )
)
WORDS = (
    "eat",
    "the",
    "all",
    "plum",
    "pear",
    "and",
    "bread",
    "im",
    "only",
    "13",
    "40",
    "or",
    "pay",
    "$5",
    "now",
    "he",
    "said",
    "lol",
    "zantle",
)


@given(st.lists(st.sampled_from(WORDS), max_size=30), st.integers(0, 12))
def test_fast_and_slow_agree(words: list[str], boundary: int) -> None:
    boundary = min(boundary, len(words))
    assert TINY.find(words, boundary) == TINY.find_slowly(words, boundary)


def drawn_from_phrases() -> st.SearchStrategy[list[str]]:
    """Words of the shipped phrases, mostly in their order: random words alone would hardly ever make one."""
    shipped = default_lexicon()
    kinds = {"#minor": "13", "#number": "40", "#money": "$5", "#clock": "5pm"}

    def spoken(number: int, seed: int) -> list[str]:
        out = []
        for n, element in enumerate(shipped.phrases[number].elements):
            if element.optional and (seed >> n) & 1:
                continue
            symbols = sorted(element.symbols or {"zantle"})
            word = symbols[(seed >> n) % len(symbols)]
            out.append(kinds.get(word, word))
        return out

    one = st.builds(spoken, st.integers(0, len(shipped.phrases) - 1), st.integers(0, 2**20))
    noise = st.lists(st.sampled_from(sorted(shipped.vocabulary)), max_size=2)
    return st.lists(st.one_of(one, noise), max_size=3).map(lambda parts: [word for part in parts for word in part][:24])


@settings(max_examples=25, deadline=None)  # the slow twin compiles some 900 expressions the first time that it is asked
@given(drawn_from_phrases(), st.integers(0, 6))
def test_fast_and_slow_agree_on_the_cues_that_ship(words: list[str], boundary: int) -> None:
    shipped = default_lexicon()
    boundary = min(boundary, len(words))
    assert shipped.find(words, boundary) == shipped.find_slowly(words, boundary)


def test_agreement_holds_when_the_automaton_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "_MOST_STEPS", 3)
    words = [WORDS[(7 * n * n + n) % len(WORDS)] for n in range(60)]
    forgetful = Lexicon(CueFile(language="en", words={"fruit": ("plum", "pear")}, cue=TINY.cues, modifier=TINY._modifiers))
    assert forgetful.find(words) == TINY.find_slowly(words)


def test_the_strongest_place_of_a_cue_is_kept() -> None:
    [found] = TINY.find(["eat", "a", "plum", "then", "eat", "all", "plum"])
    assert (found.strength, found.start, found.end) == (0.9, 4, 7)


def test_a_place_within_this_message_is_better_than_one_that_began_before() -> None:
    words = ["eat", "the", "plum", "and", "bread"]
    [whole] = TINY.find(words, 0)
    assert (whole.start, whole.end) == (0, 3)
    [crossing] = TINY.find(words, 3)
    assert (crossing.start, crossing.end) == (0, 5)
    [own] = TINY.find(["eat", *words], 1)
    assert own.start == 1


def test_what_ended_in_an_earlier_message_is_not_found_again() -> None:
    assert TINY.find(["eat", "all", "plum", "zantle", "zantle"], 3) == []


@pytest.mark.parametrize(
    ("words", "strength"),
    [
        ("eat all plum", 0.9),
        ("he said eat all plum", 0.45),
        ("eat all plum he said", 0.9),
        ("eat all plum lol", 0.45),
        ("he said " + "zantle " * 11 + "eat all plum", 0.9),
        ("he said eat all plum " + "zantle " * 11 + "eat all plum", 0.9),
    ],
)
def test_modifiers_weaken_what_they_concern(words: str, strength: float) -> None:
    [found] = TINY.find(words.split())
    assert found.strength == pytest.approx(strength)


def test_a_flood_of_one_phrase_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(lexicon, "_spaced", lambda words: tried.append(1) or " ".join(words) + " ")
    TINY.find(["pay", "$5"] * 2000)
    assert len(tried) < 10


def test_a_flood_that_cannot_settle_costs_a_bounded_amount_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(lexicon, "_spaced", lambda words: tried.append(1) or " ".join(words) + " ")
    words = ["he", "said", "eat", "all", "plum"] * 1000
    TINY.find(words)
    assert len(tried) < 10 * len(words)


def test_an_unknown_modifier_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown modifier"):
        Lexicon(CueFile(language="en", words={}, cue=(lexicon.CueEntry("a", "b", 1.0, ("eat",), ("nobody",)),)))


def test_a_misspelt_field_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cues.toml"
    path.write_text('language = "en"\n[words]\n[[cue]]\nname = "a"\nreason = "b"\nstrenght = 1.0\nphrases = []\n', "utf-8")
    with pytest.raises(msgspec.ValidationError):
        Lexicon.load(path)


def test_every_cue_that_detectors_weigh_is_one_that_something_finds() -> None:
    """Names join the sense and the detectors, which may not import each other: a misspelt one would be a harm nobody looks for."""
    known = {entry.name for entry in default_lexicon().cues} | set(REASONS) | {sexual.NAME}
    weighed = set(GROOMING) | set(SEXTORTION)
    own = {"persists", *(name for name, _ in REPORTS.values())}
    assert weighed <= known | own
    assert known <= weighed | UNEASE | ABOUT_AUTHOR | ABOUT_OTHERS | {"self_declared_age", "discloses"}
    assert set(ASKS) <= weighed


def test_shipped_cues_have_reasons_and_strengths() -> None:
    blaming = ("complied", "willing", "consent", "relationship with")
    for entry in default_lexicon().cues:
        assert 0.0 < entry.strength <= 1.0
        assert entry.reason
        assert not any(word in entry.reason for word in blaming)
        assert len(set(entry.phrases)) == len(entry.phrases), entry.name
