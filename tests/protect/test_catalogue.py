"""The words under every message key: in each language, short, kind, and blaming nobody."""

from __future__ import annotations

import re

import pytest

from nightlight.adapters.store.user_reports import MESSAGES
from nightlight.core.catalogue import ChoiceKind, Words
from nightlight.core.decision import Nudge
from nightlight.policy import default_rules
from nightlight.protect import LANGUAGES, catalogue
from nightlight.protect.deterrence import shipped_table

USED = {(a.message, a.to.value) for rule in default_rules().rules for a in (*rule.actions, *rule.on_error) if isinstance(a, Nudge)}
_TABLE = shipped_table(catalogue()["en"])
SEARCHES = {key for category in _TABLE.category.values() for key in (category.message, category.young)}
SEARCHES |= {f"search.deterrence.{variant}" for variant in ("law", "harm", "help")}  # to be tried beside each other
BLAMING = re.compile(
    r"(?i)complied|\bwilling|consent|relationship|self-generated|should(n't| not)? have|why did you|careless|foolish|stupid|ashamed"
    r"|you let|you agreed|sexting|must not tell|(?<!n't )(?<!none of it is )your (own )?fault"
    r"|consintier|relaci[oó]n|deber[ií]as haber|por qué (le )?(enviaste|contestaste)|tonter[ií]a|aceptaste|vergüenza"
    r"|tu culpa|(?<!no es )(?<!nada de esto es )culpa tuya"
)
KIND = {"en": re.compile(r"(?i)(isn't|none of it is) your fault"), "es": re.compile(r"(?i)(no|nada de esto) es culpa tuya")}
EXTORTION = {
    "en": ("It isn't your fault", "Don't pay", "Keep the messages", "Talk to someone"),
    "es": ("No es culpa tuya", "No pagues", "Guarda los mensajes", "Habla con alguien"),
}


def texts(words: Words) -> list[str]:
    return [words.title, words.body, words.leave, *(choice.label for choice in words.choices)]


def test_every_message_that_the_default_policy_shows_is_there_in_every_language() -> None:
    assert len(USED) >= 9
    for language in LANGUAGES:
        assert {key for key, _ in USED} | set(MESSAGES.values()) | SEARCHES == set(catalogue()[language]), "and nothing that nobody shows"
    english = catalogue()["en"]
    for language in LANGUAGES:
        for key, words in catalogue()[language].items():
            assert all(text.strip() for text in texts(words)), (language, key)
            assert [c.kind for c in words.choices] == [c.kind for c in english[key].choices], (language, key)
            assert language == "en" or words.body != english[key].body


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_blames_and_none_is_long(language: str) -> None:
    for key, words in catalogue()[language].items():
        for text in texts(words):
            assert not BLAMING.search(text), (key, text)
        assert len(words.title) <= 50 and len(words.body) <= 330, key
        assert all(len(choice.label) <= 45 for choice in words.choices), key
        sentences = [len(s.split()) for s in re.split(r"[.?!:]\s+", words.body)]
        assert max(sentences) <= 26 and sum(sentences) / len(sentences) <= 16, key


@pytest.mark.parametrize(
    "wrong", ["You should have told us.", "She was willing.", "It was your fault", "Fue tu culpa", "¿Por qué le enviaste eso?"]
)
def test_blaming_words_would_be_found(wrong: str) -> None:
    assert BLAMING.search(wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_is_extorted_reads_the_four_things(language: str) -> None:
    for key in ("sextortion.elevated.child", "sextortion.high.child"):
        words = catalogue()[language][key]
        for said in EXTORTION[language]:
            assert said.lower() in f"{words.title} {words.body}".lower(), (key, said)
    assert KIND[language].search(catalogue()[language]["grooming.high.child"].body)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_child_may_choose_an_adult_and_no_number_is_invented(language: str) -> None:
    for key, words in catalogue()[language].items():
        kinds = [choice.kind for choice in words.choices]
        if not key.startswith("search.") or key.endswith("young"):
            assert ChoiceKind.ADULT in kinds, key
        assert ChoiceKind.HELPLINE in kinds and kinds[-1] is ChoiceKind.LATER, key
        for text in texts(words):
            assert not re.search(r"\d|https?:|www\.|@", text), (key, text)
            assert not re.search(r"(?i)\b(your parents|tus padres|mum|mom|dad|mamá|papá)\b", text), (key, "a parent may be the one")
