"""What is laid around a picture is cut away, and what was placed in another is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from nightlight.app.bench.pictures import invented
from nightlight.core.fingerprint import PDQ_THRESHOLD, FingerprintKind, Variant
from nightlight.senses.media import screen_bytes
from nightlight.senses.media.pdq import pdq
from nightlight.senses.media.views import SHADE, SPECKS, border_box, inner_boxes, luma, quadrants, resampled, seams, squashed, trimmed
from tests.senses.media.made import distance, file_of, rectangles


def textured(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """A picture with structure everywhere, to its very edges."""
    small = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def within(picture: NDArray[np.uint8], canvas: tuple[int, int], at: tuple[int, int], shade: int = 0) -> NDArray[np.uint8]:
    out = np.full((*canvas, 3), shade, np.uint8)
    out[at[0] : at[0] + picture.shape[0], at[1] : at[1] + picture.shape[1]] = picture
    return out


def border_plain(plane: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """The twin: the same rule by numpy, a line at a time."""

    def lines(box: list[int], side: int) -> NDArray[np.uint8]:
        part = plane[box[0] : box[1], box[2] : box[3]]
        return (part, part[::-1], part.T, part.T[::-1])[side]

    def depth(box: list[int], side: int, shade: int) -> int:
        count = 0
        for line in lines(box, side):
            if (np.abs(line.astype(int) - shade) > SHADE).sum() > SPECKS * len(line):
                break
            count += 1
        return count

    def median(line: NDArray[np.uint8]) -> int:
        return int(np.sort(line)[(len(line) + 1) // 2 - 1])

    box = [0, plane.shape[0], 0, plane.shape[1]]
    shades = [median(lines(box, side)[0]) for side in range(4)]
    shares = [depth(box, side, shades[side]) / plane.shape[side // 2] for side in range(4)]
    if max(shares) > 0:
        shade = shades[shares.index(max(shares))]
        for _ in range(2):
            for side in range(4):
                box[side] += depth(box, side, shade) * (1 if side % 2 == 0 else -1)
    return box[0], box[1], box[2], box[3]


@settings(max_examples=60, deadline=None)
@given(
    sides=st.tuples(*[st.integers(0, 30)] * 4),
    size=st.tuples(st.integers(20, 60), st.integers(20, 60)),
    shade=st.integers(0, 255),
    noise=st.integers(0, 14),
    seed=st.integers(0, 1000),
)
def test_borders_are_those_of_the_plain_twin(
    sides: tuple[int, int, int, int], size: tuple[int, int], shade: int, noise: int, seed: int
) -> None:
    top, bottom, left, right = sides
    plane = luma(within(textured(*size, seed), (size[1] + top + bottom, size[0] + left + right), (top, left), shade))
    plane = np.clip(plane + np.random.default_rng(seed).integers(-noise, noise + 1, plane.shape), 0, 255).astype(np.uint8)
    found, plain = border_box(plane), border_plain(plane)
    whole = (0, plane.shape[0], 0, plane.shape[1])
    enough = plain[1] - plain[0] >= 0.2 * plane.shape[0] and plain[3] - plain[2] >= 0.2 * plane.shape[1]
    assert found == (plain if plain != whole and enough else None)


@pytest.mark.parametrize("sides", [(40, 40, 0, 0), (0, 0, 70, 70), (30, 60, 20, 50), (0, 90, 0, 0)], ids=str)
@pytest.mark.parametrize("shade", [0, 255, 99])
def test_a_border_is_cut_away(sides: tuple[int, int, int, int], shade: int) -> None:
    top, bottom, left, right = sides
    picture = textured(400, 300, 5)
    data = file_of(within(picture, (300 + top + bottom, 400 + left + right), (top, left), shade), "JPEG", quality=75)
    (found,) = [f for f in screen_bytes(data).fingerprints if f.variant is Variant.TRIMMED]
    plain = pdq(picture)
    assert plain is not None and distance(found.value, plain[0]) <= 16


def test_a_picture_without_a_border_keeps_all_of_itself() -> None:
    assert trimmed(textured(300, 200, 1)) is None
    sky = textured(300, 200, 1).copy()
    sky[:, :150] = 200
    sky[0] = 0  # a dark line above everything: the sky is not of the border's shade
    found = trimmed(sky)
    assert found is not None and found.shape == (200, 150, 3), "the deepest even side is the border"


def test_nothing_but_border_is_no_picture() -> None:
    assert trimmed(np.full((200, 200, 3), 77, np.uint8)) is None
    dot = np.full((200, 200, 3), 77, np.uint8)
    dot[90:110, 90:110] = 0
    assert trimmed(dot) is None


def overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    down, across = min(one[1], other[1]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[2], other[2])
    both = max(0, down) * max(0, across)
    return both / ((one[1] - one[0]) * (one[3] - one[2]) + (other[1] - other[0]) * (other[3] - other[2]) - both)


@settings(max_examples=25, deadline=None)
@given(
    top=st.integers(20, 250), left=st.integers(20, 350), height=st.integers(150, 320), width=st.integers(200, 420), seed=st.integers(0, 500)
)
def test_a_rectangle_on_an_even_ground_is_found(top: int, left: int, height: int, width: int, seed: int) -> None:
    # Inverted ground: whatever the picture's edge shows, most of it differs from the ground.
    picture = np.clip(textured(width, height, seed).astype(int) // 2, 0, 120).astype(np.uint8)
    boxes = inner_boxes(luma(within(picture, (600, 800), (top, left), 250)))
    assert max(overlap(box, (top, top + height, left, left + width)) for box in boxes) > 0.97


def test_a_quarter_of_a_collage_is_found() -> None:
    cells = [textured(400, 300, seed) for seed in range(4)]
    collage = np.concatenate([np.concatenate(cells[:2], axis=1), np.concatenate(cells[2:], axis=1)])
    found = [
        f
        for f in screen_bytes(file_of(collage, "JPEG", quality=80), thorough=True).fingerprints
        if f.variant and Variant(f.variant).is_part
    ]
    assert {f.variant for f in found} >= {Variant.QUADRANT}
    for cell in cells:
        plain = pdq(cell)
        assert plain is not None and min(distance(f.value, plain[0]) for f in found) <= 12


@pytest.mark.parametrize("size", [(600, 300), (1024, 512), (513, 2000)])
def test_squashing_takes_every_nth_pixel(size: tuple[int, int]) -> None:
    picture = rectangles(*size, 3)
    rows, columns = (np.arange(512) * size[1]) // 512, (np.arange(512) * size[0]) // 512
    small = squashed(picture)
    assert small is not None and (small == picture[rows][:, columns]).all()
    assert squashed(rectangles(512, 300)) is None


def test_the_four_quadrants() -> None:
    assert quadrants(11, 20) == [(0, 5, 0, 10), (0, 5, 10, 20), (6, 11, 0, 10), (6, 11, 10, 20)]


def test_a_flat_or_tiny_picture_has_nothing_within() -> None:
    assert inner_boxes(np.full((300, 400), 9, np.uint8)) == []
    assert inner_boxes(np.zeros((10, 10), np.uint8)) == []


def test_a_seam_is_where_the_picture_changes() -> None:
    plane = np.zeros((5, 40), np.float32)
    plane[:, 17:] = 90
    assert np.flatnonzero(seams(plane).sum(axis=1)).tolist() in ([17], [16, 17, 18])
    assert seams(np.tile(np.arange(40, dtype=np.float32) * 2, (5, 1))).sum() == 0, "a slope is no seam"


@pytest.mark.parametrize("degrees", [-2.4, -1.8, 1.8, 2.4])
def test_a_picture_turned_by_a_few_degrees_is_levelled(degrees: float) -> None:
    picture = Image.fromarray(rectangles(640, 480, 5))
    plain = pdq(np.asarray(picture))
    found = screen_bytes(file_of(picture.rotate(degrees, Image.Resampling.BICUBIC), "PNG"), thorough=True)
    levelled = [f for f in found.fingerprints if f.variant is Variant.LEVELLED]
    assert plain is not None and min(distance(f.value, plain[0]) for f in levelled) <= PDQ_THRESHOLD


@pytest.mark.parametrize("share", [0.02, 0.03, 0.04])
def test_a_cropped_picture_is_widened(share: float) -> None:
    nearer = []
    for seed in range(6):
        picture = np.asarray(invented(800, 600, seed))
        down, across = round(600 * share), round(800 * share)
        found = screen_bytes(file_of(picture[down : 600 - down, across : 800 - across], "PNG"), thorough=True)
        widened = [f for f in found.fingerprints if f.variant is Variant.WIDENED]
        plain = pdq(picture)
        assert plain is not None
        nearer.append((min(distance(f.value, plain[0]) for f in widened), distance(found.pdq, plain[0])))
    assert all(best < cropped for best, cropped in nearer)
    assert sum(best <= PDQ_THRESHOLD for best, _ in nearer) >= 3 > sum(cropped <= PDQ_THRESHOLD for _, cropped in nearer)


def test_a_margin_repeats_the_edge_and_leaves_the_rest() -> None:
    picture = rectangles(256, 256, 4, 12)
    wide = resampled(picture, margin=0.5)
    assert (wide[64:192, 64:192] == picture[1::2, 1::2]).mean() > 0.99
    assert (wide[:64, 64:192] == wide[64, 64:192]).all()


def test_turning_agrees_with_pillow() -> None:
    picture = rectangles(256, 256, 4, 12)
    theirs = np.asarray(Image.fromarray(picture).rotate(10))
    ours = resampled(picture, degrees=10.0)
    inside = np.s_[60:196, 60:196]
    assert (theirs[inside] == ours[inside]).mean() > 0.97


def test_views_for_a_lookup_are_made_only_when_asked_and_only_where_they_can_match() -> None:
    data = file_of(rectangles(400, 300, 6), "PNG")
    plain, thorough = screen_bytes(data), screen_bytes(data, thorough=True)
    assert {f.variant for f in plain.fingerprints if f.variant} <= {Variant.TRIMMED, Variant.SQUASHED}
    assert thorough.fingerprints[: len(plain.fingerprints)] == plain.fingerprints
    assert {Variant.MIRRORED, Variant.LEVELLED, Variant.QUADRANT} <= {f.variant for f in thorough.fingerprints if f.variant}
    assert all(f.quality is not None and f.quality >= 50 for f in thorough.fingerprints[len(plain.fingerprints) :])
    flat = screen_bytes(file_of(np.full((300, 300, 3), 90, np.uint8), "PNG"), thorough=True)
    assert [f.quality for f in flat.fingerprints if f.kind is FingerprintKind.PDQ] == [0]


def test_views_are_few_enough_for_an_event() -> None:
    frames = [Image.fromarray(rectangles(700, 700, seed)) for seed in range(6)]
    data = file_of(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert len(screen_bytes(data, thorough=True).fingerprints) <= 64
