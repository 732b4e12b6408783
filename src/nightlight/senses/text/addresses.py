"""Addresses of cryptocurrencies and bank accounts in a text, believed only where their checksum is right. No network is asked.

Bitcoin, Litecoin, Dogecoin and Tron in Base58Check; Bitcoin and Litecoin in bech32 (BIP 173) and bech32m (BIP 350); Ethereum, with the
checksum of EIP-55 where upper and lower case are mixed; IBAN (ISO 13616). An Ethereum address in one case holds no checksum: it is
believed by its form, forty hexadecimal digits after `0x`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from nightlight.core.features import PaymentMeans

MOST = 8
"""Candidates looked at in one text: a checksum costs, and a text may be full of what only looks like an address."""

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE58_KINDS: Mapping[int, PaymentMeans] = {
    0x00: PaymentMeans.BITCOIN,
    0x05: PaymentMeans.BITCOIN,
    0x30: PaymentMeans.CRYPTOCURRENCY,  # Litecoin
    0x32: PaymentMeans.CRYPTOCURRENCY,
    0x1E: PaymentMeans.CRYPTOCURRENCY,  # Dogecoin
    0x16: PaymentMeans.CRYPTOCURRENCY,
    0x41: PaymentMeans.CRYPTOCURRENCY,  # Tron, on which much USDT moves
}
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_KINDS: Mapping[str, PaymentMeans] = {"bc": PaymentMeans.BITCOIN, "ltc": PaymentMeans.CRYPTOCURRENCY}
_BECH32_CONST, _BECH32M_CONST = 1, 0x2BC830A3

_CANDIDATE = re.compile(
    r"(?<![0-9A-Za-z])(?:(?P<eth>0[xX][0-9a-fA-F]{40})|(?P<bech>(?:bc|ltc)1[02-9a-z]{11,71}|(?:BC|LTC)1[02-9A-Z]{11,71})"
    rf"|(?P<base58>[{_BASE58}]{{26,35}})|(?P<iban>[A-Z]{{2}}[0-9]{{2}}(?: ?[A-Z0-9]{{4}}){{2,7}}(?: ?[A-Z0-9]{{1,3}})?))(?![0-9A-Za-z])"
)
_WORTH_A_LOOK = re.compile(r"[0-9A-Za-z]{26}|[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4} ?[A-Z0-9]{4}")


def addresses(text: str) -> Iterator[tuple[PaymentMeans, tuple[int, int]]]:
    """What each is and where it stands in `text`, in order. At most `MOST` candidates are checked."""
    plain, places = _visible(text)
    if _WORTH_A_LOOK.search(plain) is None:
        return
    for seen, match in enumerate(_CANDIDATE.finditer(plain)):
        if seen == MOST:
            return
        kind = _checked(match.lastgroup or "", match.group())
        if kind is not None:
            yield kind, (match.start(), match.end()) if places is None else (places[match.start()], places[match.end() - 1] + 1)


def _visible(text: str) -> tuple[str, list[int] | None]:
    """Without what is neither seen nor ASCII, such as a zero-width space within an address; and where each character came from."""
    if text.isascii():
        return text, None
    kept = [i for i, ch in enumerate(text) if ch not in "\u00ad\u200b\u200c\u200d\u2060\ufeff"]
    return "".join(text[i] for i in kept), kept


def _checked(form: str, address: str) -> PaymentMeans | None:
    if form == "eth":
        return PaymentMeans.ETHEREUM if ethereum(address) else None
    if form == "bech":
        return bech32(address)
    if form == "base58":
        return base58check(address)
    return PaymentMeans.BANK_TRANSFER if iban(address) else None


def base58check(address: str) -> PaymentMeans | None:
    """By the version byte, where the double SHA-256 checksum is right."""
    number = 0
    for ch in address:
        number = number * 58 + _BASE58.index(ch)
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    raw = bytes(len(address) - len(address.lstrip("1"))) + raw
    if len(raw) != 25 or sha256(sha256(raw[:21]).digest()).digest()[:4] != raw[21:]:
        return None
    return _BASE58_KINDS.get(raw[0])


def bech32(address: str) -> PaymentMeans | None:
    """By the human-readable part, where checksum, version and length of the program agree."""
    prefix, _, data = address.lower().rpartition("1")
    kind = _BECH32_KINDS.get(prefix)
    if kind is None or any(ch not in _BECH32 for ch in data):
        return None
    values = [_BECH32.index(ch) for ch in data]
    spread = [ord(ch) >> 5 for ch in prefix] + [0] + [ord(ch) & 31 for ch in prefix]
    version, size = values[0], (len(values) - 7) * 5 // 8
    if _polymod(spread + values) != (_BECH32M_CONST if version else _BECH32_CONST):
        return None
    right = size in (20, 32) if version == 0 else version <= 16 and 2 <= size <= 40
    return kind if right else None


def _polymod(values: list[int]) -> int:
    """The checksum of BIP 173."""
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= generator if (top >> bit) & 1 else 0
    return state


def ethereum(address: str) -> bool:
    """EIP-55: where case is mixed it must follow the Keccak-256 of the lower-case digits."""
    digits = address[2:]
    if digits in (digits.lower(), digits.upper()):
        return True
    marks = keccak256(digits.lower().encode()).hex()
    return all(ch.isdigit() or ch.isupper() == (int(mark, 16) >= 8) for ch, mark in zip(digits, marks, strict=False))


def iban(account: str) -> bool:
    """ISO 7064 mod 97-10, and 15 to 34 characters."""
    plain = account.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(ch, 36)) for ch in plain[4:] + plain[:4])) % 97 == 1


# Keccak-256 as Ethereum uses it, with the padding from before SHA-3 was made a standard: `hashlib.sha3_256` gives other digests.
_RATE = 136
_MASK = (1 << 64) - 1


def _round_constants() -> Iterator[int]:
    """The 24 constants of Keccak-f[1600], from its linear feedback shift register."""
    register = 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if register & 1:
                constant |= 1 << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        yield constant


_ROUNDS = tuple(_round_constants())


def keccak256(message: bytes) -> bytes:
    """32 bytes. Some 200 microseconds a block in plain Python: for one address at a time."""
    padded = bytearray(message) + bytes(_RATE - len(message) % _RATE)
    padded[len(message)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def _permuted(a: list[list[int]]) -> list[list[int]]:
    """Keccak-f[1600]; `a[x][y]` is a lane."""
    for constant in _ROUNDS:
        columns = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        a = [[lane ^ columns[x - 1] ^ _turned(columns[(x + 1) % 5], 1) for lane in a[x]] for x in range(5)]
        x, y, held = 1, 0, a[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            held, a[x][y] = a[x][y], _turned(held, (step + 1) * (step + 2) // 2)
        a = [[a[x][y] ^ (~a[(x + 1) % 5][y] & a[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
        a[0][0] ^= constant
    return a


def _turned(lane: int, by: int) -> int:
    by %= 64
    return ((lane << by) | (lane >> (64 - by))) & _MASK
