from nightlight.app.harness import senses
from nightlight.kit import check_detector

from . import build


def test_laws() -> None:
    check_detector(build(), senses())
