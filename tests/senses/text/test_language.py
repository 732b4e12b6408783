"""The guess at a language: right on authored conversations, and plain about languages that nothing here reads."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from nightlight.kit.corpus import load
from nightlight.kit.train.lines import filled, read_lines
from nightlight.senses.text import TextSensor
from nightlight.senses.text.fold import fold, words
from nightlight.senses.text.language import guess, is_supported
from nightlight.senses.text.sensor import default_lexicon

TRAINING = Path(__file__).resolve().parents[3] / "training"
OTHERS = {
    "fr": (
        "salut tu fais quoi ce soir",
        "je ne sais pas encore, et toi ?",
        "mes parents ne sont pas à la maison",
        "on peut se voir demain après les cours",
        "c'est qui ton meilleur ami dans la classe",
        "il faut que je te dise quelque chose",
        "tu as quel âge et tu habites où",
    ),
    "de": (
        "hallo was machst du heute",
        "ich weiß es noch nicht, und du?",
        "meine eltern sind nicht zu hause",
        "wir können uns morgen nach der schule treffen",
        "wie alt bist du und wo wohnst du",
        "ich muss dir noch etwas sagen",
        "das ist doch nicht so schlimm",
    ),
    "pt": (
        "oi tudo bem com você?",
        "eu não sei ainda, e você?",
        "meus pais não estão em casa agora",
        "a gente pode se ver amanhã depois da aula",
        "quantos anos você tem e onde você mora",
        "eu tenho que falar uma coisa com você",
        "vc vai no jogo hoje com ele?",
    ),
    "it": (
        "ciao cosa fai stasera con gli altri",
        "non lo so ancora, e tu cosa vuoi fare?",
        "i miei genitori non sono a casa adesso",
        "ci vediamo domani dopo la scuola",
        "quanti anni hai e dove abiti tu",
        "devo dirti una cosa che non sai",
        "questo è il mio amico, lui gioca sempre",
    ),
}


def told(text: str) -> str:
    folded = fold(text)
    return guess(folded, words(folded))


def test_whole_conversations_are_told_right() -> None:
    """All lines of a conversation read as one text. The lists of words were written after some of these."""
    right, every = Counter[str](), Counter[str]()
    for path in sorted((TRAINING / "conversations").glob("*.jsonl")):
        for talk in load(path).conversations:
            texts = [filled(message.text, random.Random(1)) for message in talk.messages]
            every[talk.language or ""] += 1
            right[talk.language or ""] += told("\n".join(texts)) == talk.language
    assert every.total() > 600
    # Five Spanish ones go on in English for most of their length.
    assert right["en"] == every["en"] and right["es"] >= 0.96 * every["es"], right


def test_hardly_a_line_of_a_supported_language_is_called_another() -> None:
    """A short line may be `und`; to be called another language would mean that it is not read. Measured: 3 in 5,029."""
    wrong, mixed, rows = 0, 0, read_lines(TRAINING)
    for row in rows:
        language = told(row.text)
        wrong += not is_supported(language)
        mixed += language not in ("und", row.language)
    assert wrong <= 0.003 * len(rows)
    assert mixed <= 0.01 * len(rows)


@pytest.mark.parametrize("language", sorted(OTHERS))
def test_other_languages_are_said_to_be_unsupported(language: str) -> None:
    found = [told(line) for line in OTHERS[language]]
    assert sum(one == language for one in found) >= len(found) - 1, found
    assert not any(one in ("en", "es") for one in found), found
    assert not is_supported(told("\n".join(OTHERS[language])))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("привет как дела сегодня", "und-Cyrl"),
        ("مرحبا كيف حالك", "und-Arab"),
        ("今日は何をしているの", "und-Jpan"),
        ("오늘 뭐해 친구야", "und-Kore"),
    ],
)
def test_other_scripts_are_named(text: str, language: str) -> None:
    assert told(text) == language
    assert not is_supported(language)


def test_what_cannot_be_told_is_not_called_unsupported() -> None:
    assert told("zantle vorp quine") == "und"
    assert told("ok") == "und"
    assert is_supported("und")


def test_a_message_carries_its_language() -> None:
    assert TextSensor(default_lexicon()).read("wir können uns morgen nach der schule treffen").language == "de"
