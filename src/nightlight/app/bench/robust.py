"""`nightlight bench robust`: what may be done to a banked picture before it is no longer found; the peer's recall beside ours.

Pictures are invented, and those given. Parameters are drawn at random from ranges, never from the steps that a lookup tries. Both sides
bank the same originals among the same others, and match within the same 31 bits.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from nightlight.app.bench.peer import Hasher, peer_pdq
from nightlight.app.bench.pictures import encoded, invented
from nightlight.core.bank import BankKind, Match
from nightlight.core.fingerprint import PDQ_THRESHOLD, Fingerprint, FingerprintKind
from nightlight.senses.media import derived_crops, look_up, screen_bytes, warm_up

UNRELATED = "unrelated pictures"

Rnd = random.Random
Change = Callable[[Image.Image, Rnd], bytes]


class Row(Struct, frozen=True, kw_only=True):
    transformation: str
    recall: float
    """Share of the changed pictures that were found as what they are."""
    peer_recall: float | None
    """None where the peer is not installed (`make peers`)."""
    recall_with_derived: float
    """Ours, where the bank also holds fingerprints of parts of the originals, as for pictures that a person confirmed."""
    pictures: int
    false_matches: float
    """Share of the files that matched an item that they are not."""
    peer_false_matches: float | None
    false_matches_with_derived: float


def run(
    pictures: int = 30,
    seed: int = 1,
    given: Sequence[Image.Image] = (),
    others: int = 200,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """A row a transformation, and last one of pictures that no bank holds, where `recall` is 0 and only false matches count.

    `others`: unrelated pictures in the bank beside the originals.
    """
    warm_up()
    rnd = random.Random(seed)
    progress("bank")
    originals = [*given, *(_invented(rnd) for _ in range(max(0, pictures - len(given))))]
    files = [encoded(image, quality=92) for image in [*originals, *(_invented(rnd) for _ in range(others))]]
    theirs = peer_pdq()
    ours, peer = _Bank(), _PeerBank(theirs) if theirs is not None else None
    for number, data in enumerate(files):
        ours.add(number, data)
        ours.add_derived(number, data)
        if peer is not None:
            peer.add(number, data)
    rows = []
    for name, change in CHANGES.items():
        progress(name)
        changed = [(number, change(image, rnd)) for number, image in enumerate(originals)]
        rows.append(_row(name, changed, ours, peer))
    progress(UNRELATED)
    rows.append(_row(UNRELATED, [(None, encoded(_invented(rnd))) for _ in range(5 * pictures)], ours, peer))
    return rows


def _invented(rnd: Rnd) -> Image.Image:
    return invented(rnd.randint(480, 1400), rnd.randint(480, 1400), rnd.getrandbits(40))


class _Bank:
    """Ours: what a bank keeps of a file, searched without an index, since only what is found matters here."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.uint8]] = []
        self._items: list[int] = []
        self._derived: list[bool] = []

    def add(self, item: int, data: bytes) -> None:
        self._keep(item, screen_bytes(data).fingerprints, derived=False)

    def add_derived(self, item: int, data: bytes) -> None:
        self._keep(item, derived_crops(data), derived=True)

    def find(self, data: bytes) -> tuple[set[int], set[int]]:
        """The items found without what was derived, and with it."""
        prints = [f for f in screen_bytes(data, thorough=True).fingerprints if f.is_searchable]
        whole = look_up(lambda asked: [m for m in self._search(asked) if not m.derived], prints)
        return {int(m.item) for m in whole}, {int(m.item.partition(" ")[0]) for m in look_up(self._search, prints)}

    def _keep(self, item: int, fingerprints: Sequence[Fingerprint], *, derived: bool) -> None:
        for f in fingerprints:
            if f.is_searchable:
                self._rows.append(_bits(f.value))
                self._items.append(item)
                self._derived.append(derived)

    def _search(self, fingerprints: Sequence[Fingerprint]) -> list[Match]:
        table = np.stack(self._rows)
        out = []
        for f in fingerprints:
            apart = np.bitwise_count(table ^ _bits(f.value)).sum(axis=1)
            out += [
                Match(
                    bank="own",
                    bank_kind=BankKind.OWN,
                    item=f"{self._items[row]} part" if self._derived[row] else str(self._items[row]),
                    kind=FingerprintKind.PDQ,
                    distance=int(apart[row]),
                    threshold=PDQ_THRESHOLD,
                    derived=self._derived[row],
                )
                for row in np.flatnonzero(apart <= PDQ_THRESHOLD)
            ]
        return sorted(out, key=lambda match: match.distance)


class _PeerBank:
    """The peer's hashes, within the peer's own distance."""

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        self._rows: list[NDArray[np.uint8]] = []
        self._items: list[int] = []

    def add(self, item: int, data: bytes) -> None:
        value = self._hashed(data)
        if value:
            self._rows.append(_bits(value))
            self._items.append(item)

    def find(self, data: bytes) -> set[int]:
        value = self._hashed(data)
        if not value:
            return set()
        apart = np.bitwise_count(np.stack(self._rows) ^ _bits(value)).sum(axis=1)
        return {self._items[row] for row in np.flatnonzero(apart <= PDQ_THRESHOLD)}

    def _hashed(self, data: bytes) -> str:
        try:
            return self._hasher(data)
        except Exception:  # whatever its decoder makes of a file, a file that it cannot hash is one that it does not find
            return ""


def _bits(value: str) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(value), np.uint8)


def _row(name: str, files: Sequence[tuple[int | None, bytes]], ours: _Bank, peer: _PeerBank | None) -> Row:
    found = [(item, ours.find(data), peer.find(data) if peer is not None else set[int]()) for item, data in files]
    count = len(found)
    return Row(
        transformation=name,
        recall=sum(item in mine for item, (mine, _), _ in found) / count,
        recall_with_derived=sum(item in derived for item, (_, derived), _ in found) / count,
        peer_recall=sum(item in theirs for item, _, theirs in found) / count if peer is not None else None,
        pictures=count,
        false_matches=sum(bool(mine - {item}) for item, (mine, _), _ in found) / count,
        false_matches_with_derived=sum(bool(derived - {item}) for item, (_, derived), _ in found) / count,
        peer_false_matches=sum(bool(theirs - {item}) for item, _, theirs in found) / count if peer is not None else None,
    )


# -- what is done to pictures --------------------------------------------------------------------------------------------------------


def _saved(change: Callable[[Image.Image, Rnd], Image.Image]) -> Change:
    """The change, then a JPEG of some quality, as services make of what people upload."""
    return lambda image, rnd: encoded(change(image, rnd).convert("RGB"), quality=rnd.randint(60, 92))


def _turned_by_tag(image: Image.Image, rnd: Rnd) -> bytes:
    how = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    tag = rnd.choice(sorted(how))
    block = Image.Exif()
    block[0x0112] = tag
    return encoded(image.transpose(how[tag]), exif=block.tobytes())


def _transparent(image: Image.Image, rnd: Rnd) -> bytes:
    """A margin of it is transparent: viewers show the ground, hashers that know no transparency the picture."""
    width, height = image.size
    margin = rnd.uniform(0.02, 0.06)
    alpha = Image.new("L", image.size, 0)
    alpha.paste(255, (int(margin * width), int(margin * height), int((1 - margin) * width), int((1 - margin) * height)))
    out = image.convert("RGBA")
    out.putalpha(alpha)
    return encoded(out, "PNG")


def _later_frame(image: Image.Image, rnd: Rnd) -> bytes:
    """The first frame is another picture: the one that a hasher of first frames sees."""
    small = image.resize((360, 300))
    other = invented(360, 300, rnd.getrandbits(40))
    return encoded(other.quantize(128), "GIF", save_all=True, append_images=[small.quantize(128)] * 2, duration=200)


def _cropped(low: float, high: float) -> Change:
    def crop(image: Image.Image, rnd: Rnd) -> Image.Image:
        width, height = image.size
        left, right, top, bottom = (rnd.uniform(low, high) for _ in range(4))
        return image.crop((int(left * width), int(top * height), int((1 - right) * width), int((1 - bottom) * height)))

    return _saved(crop)


def _cut_off(low: float, high: float) -> Change:
    """From one side only."""

    def crop(image: Image.Image, rnd: Rnd) -> Image.Image:
        box, side, share = [0, 0, image.width, image.height], rnd.randrange(4), rnd.uniform(low, high)
        along = image.size[side % 2]
        box[side] = int(share * along) if side < 2 else int((1 - share) * along)
        return image.crop((box[0], box[1], box[2], box[3]))

    return _saved(crop)


def _cut_both_ways(low: float, high: float) -> Change:
    """From the width and from the height, divided between their sides at random."""

    def crop(image: Image.Image, rnd: Rnd) -> Image.Image:
        width, height = image.size
        across, down = rnd.uniform(low, high) * width, rnd.uniform(low, high) * height
        left, top = across * rnd.random(), down * rnd.random()
        return image.crop((int(left), int(top), int(width - across + left), int(height - down + top)))

    return _saved(crop)


def _barred(image: Image.Image, rnd: Rnd) -> Image.Image:
    width, height = image.size
    bar = rnd.uniform(0.03, 0.25)
    across, down = (int(bar * width), 0) if rnd.random() < 0.5 else (0, int(bar * height))
    return ImageOps.expand(image, (across, down), fill=rnd.choice(("black", "white")))


def _framed(image: Image.Image, rnd: Rnd) -> Image.Image:
    shade = tuple(rnd.randint(0, 255) for _ in range(3))
    return ImageOps.expand(image, int(rnd.uniform(0.05, 0.4) * min(image.size)), fill=shade)


def _collage(image: Image.Image, rnd: Rnd) -> Image.Image:
    gutter, width, height = rnd.randint(0, 12), rnd.randint(360, 600), rnd.randint(300, 500)
    out = Image.new("RGB", (2 * width + gutter, 2 * height + gutter), "white")
    mine = rnd.randrange(4)
    for place in range(4):
        cell = image if place == mine else invented(width, height, rnd.getrandbits(40))
        out.paste(cell.resize((width, height)), (place % 2 * (width + gutter), place // 2 * (height + gutter)))
    return out


def _placed(image: Image.Image, rnd: Rnd) -> Image.Image:
    out = invented(1200, 900, rnd.getrandbits(40))
    share = rnd.uniform(0.4, 0.8)
    small = image.resize((int(1200 * share), int(900 * share)))
    out.paste(small, (rnd.randint(0, 1200 - small.width), rnd.randint(0, 900 - small.height)))
    return out


def _captioned(image: Image.Image, rnd: Rnd) -> Image.Image:
    out = image.copy()
    height = int(rnd.uniform(0.06, 0.14) * image.height)
    top = rnd.choice((0, image.height - height))
    out.paste(Image.new("RGB", (image.width, height), "black"), (0, top))
    return out


def _stickered(image: Image.Image, rnd: Rnd) -> Image.Image:
    out = image.copy()
    width, height = (int(rnd.uniform(0.08, 0.22) * side) for side in image.size)
    patch = Image.new("RGB", (width, height), tuple(rnd.randint(0, 255) for _ in range(3)))
    out.paste(patch, (rnd.randint(0, image.width - width), rnd.randint(0, image.height - height)))
    return out


def _toned(image: Image.Image, rnd: Rnd) -> Image.Image:
    out = ImageEnhance.Brightness(image).enhance(rnd.uniform(0.75, 1.25))
    return ImageEnhance.Contrast(ImageEnhance.Color(out).enhance(rnd.uniform(0.2, 1.6))).enhance(rnd.uniform(0.75, 1.25))


def _noisy(image: Image.Image, rnd: Rnd) -> Image.Image:
    noise = np.random.default_rng(rnd.getrandbits(40)).normal(0, rnd.uniform(5, 25), np.asarray(image).shape)
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _scaled(image: Image.Image, rnd: Rnd) -> Image.Image:
    width = rnd.randint(100, 400)
    return image.resize((width, max(64, image.height * width // image.width)))


def _stretched(image: Image.Image, rnd: Rnd) -> Image.Image:
    return image.resize((int(image.width * rnd.uniform(0.6, 1.4)), image.height))


def _turn(how: Image.Transpose) -> Change:
    return _saved(lambda image, _: image.transpose(how))


def _tilted(image: Image.Image, rnd: Rnd) -> Image.Image:
    return image.rotate(rnd.choice((-1, 1)) * rnd.uniform(1, 3), Image.Resampling.BICUBIC)


def _as_file(kind: str, change: Callable[[Image.Image], Image.Image] = lambda image: image, **options: Any) -> Change:
    return lambda image, _: encoded(change(image), kind, **options)


CHANGES: dict[str, Change] = {
    "JPEG of low quality": lambda image, rnd: encoded(image, quality=rnd.randint(8, 35)),
    "WebP": lambda image, rnd: encoded(image, "WEBP", quality=rnd.randint(25, 70)),
    "AVIF": lambda image, rnd: encoded(image, "AVIF", quality=rnd.randint(30, 70), speed=9),
    "GIF": _as_file("GIF"),
    "palette PNG": _as_file("PNG", lambda image: image.quantize(128)),
    "CMYK JPEG": _as_file("JPEG", lambda image: image.convert("CMYK")),
    "turned by its EXIF tag": _turned_by_tag,
    "transparent margin": _transparent,
    "later frame of an animation": _later_frame,
    "scaled down": _saved(_scaled),
    "stretched": _saved(_stretched),
    "brightness, contrast, colour": _saved(_toned),
    "grey": _saved(lambda image, _: image.convert("L")),
    "blurred": _saved(lambda image, rnd: image.filter(ImageFilter.GaussianBlur(rnd.uniform(1, 4)))),
    "noise": _saved(_noisy),
    "caption bar": _saved(_captioned),
    "sticker": _saved(_stickered),
    "mirrored": _turn(Image.Transpose.FLIP_LEFT_RIGHT),
    "upside down": _turn(Image.Transpose.ROTATE_180),
    "quarter turn": _saved(lambda image, rnd: image.rotate(rnd.choice((90, 270)), expand=True)),
    "tilted by 1 to 3 degrees": _saved(_tilted),
    "cropped by 0.5 to 2% a side": _cropped(0.005, 0.02),
    "cropped by 2 to 5% a side": _cropped(0.02, 0.05),
    "cropped by 10 to 30% on one side": _cut_off(0.1, 0.3),
    "cropped by 10 to 30% both ways": _cut_both_ways(0.1, 0.3),
    "bars": _saved(_barred),
    "frame": _saved(_framed),
    "one of four in a collage": _saved(_collage),
    "placed in another picture": _saved(_placed),
}


def shared_pictures(files: Sequence[bytes]) -> list[Image.Image]:
    """Pictures from files, reduced to at most 1600 pixels a side."""
    out = []
    for data in files:
        with Image.open(io.BytesIO(data)) as image:
            image.thumbnail((1600, 1600))
            out.append(image.convert("RGB"))
    return out
