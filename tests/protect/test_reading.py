"""Reading levels: syllables counted by hand, and the formulas as published."""

from __future__ import annotations

import pytest

from nightlight.protect.reading import fernandez_huerta, flesch_kincaid, measure, syllables_en, syllables_es

ENGLISH = (
    "cat 1 | the 1 | picture 2 | table 2 | like 1 | asked 1 | wanted 2 | makes 1 | changes 2 | secret 2 | isn't 2 | don't 1 | grown-up 2 | "
    "someone 2 | somebody 3 | everything 3 | being 2 | away 2 | family 3 | location 3 | threatening 3 | pressure 2 | people 2 | little 2 | "
    "goes 1 | shows 1 | pictures 2 | messages 3 | whole 1 | they're 1 | you'll 1 | Tomorrow 3 | betrayal 3 | elsewhere 2 | again 2"
)
SPANISH = (
    "sol 1 | casa 2 | foto 2 | alguien 2 | quien 1 | guitarra 3 | confianza 3 | confías 3 | país 2 | ciudad 2 | aéreo 4 | "
    "león 2 | cuidado 3 | pingüino 3 | muy 1 | y 1 | ayer 2 | día 2 | díselo 3 | secreto 3 | criptomonedas 5 | aún 2 | "
    "guarda 2 | cosas 2 | quieras 2 | ruido 2 | Denunciar 3 | hay 1 | idea 3 | tú 1"
)


def pairs(said: str) -> list[tuple[str, int]]:
    return [(word, int(count)) for word, count in (part.split() for part in said.split(" | "))]


@pytest.mark.parametrize(("word", "count"), pairs(ENGLISH))
def test_syllables_of_english_words_counted_by_hand(word: str, count: int) -> None:
    assert syllables_en(word) == count


@pytest.mark.parametrize(("word", "count"), pairs(SPANISH))
def test_syllables_of_spanish_words_counted_by_hand(word: str, count: int) -> None:
    assert syllables_es(word) == count


def test_the_formulas_are_the_published_ones() -> None:
    assert flesch_kincaid(10, 1.5) == pytest.approx(0.39 * 10 + 11.8 * 1.5 - 15.59)
    assert fernandez_huerta(10, 2.0) == pytest.approx(206.84 - 60 * 2.0 - 1.02 * 10)


def test_a_text_is_measured_whole() -> None:
    found = measure("The cat sat. It isn't far!", "en")
    assert (found.words, found.sentences, found.syllables) == (6, 2, 7)
    assert found.score == round(flesch_kincaid(3, 7 / 6), 1) and found.age == 6
    hard = measure("Institutional responsibilities necessitate considerable organisational deliberation before implementation.", "en")
    assert hard.age > 17
    hard_too = measure("Las responsabilidades institucionales requieren considerables deliberaciones organizativas previas.", "es")
    assert hard_too.age == 18 and measure("No pagues. Habla ya.", "es").age == 9


def test_what_has_no_word_or_no_formula_is_refused() -> None:
    with pytest.raises(ValueError, match="no word"):
        measure("... 12 !", "en")
    with pytest.raises(KeyError):
        measure("Hallo", "de")
