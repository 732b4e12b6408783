"""By what means somebody wants to be paid: words, and addresses that are made here and then broken."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightlight.core.features import Cue, PaymentMeans
from nightlight.senses.text import TextSensor, addresses
from nightlight.senses.text.addresses import base58check, bech32, ethereum, iban, keccak256
from nightlight.senses.text.sensor import default_lexicon

SENSOR = TextSensor(default_lexicon())
BITCOIN, ETHEREUM, OTHER = PaymentMeans.BITCOIN, PaymentMeans.ETHEREUM, PaymentMeans.CRYPTOCURRENCY
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def to_base58(version: int, payload: bytes) -> str:
    raw = bytes([version]) + payload
    raw += sha256(sha256(raw).digest()).digest()[:4]
    number, out = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        out = BASE58[digit] + out
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + out


def to_bech32(prefix: str, version: int, program: bytes) -> str:
    """Written after the BIPs' reference, apart from the checker: bits, then the six characters that make the remainder right."""
    bits = "".join(f"{byte:08b}" for byte in program)
    values = [version] + [int(bits[i : i + 5].ljust(5, "0"), 2) for i in range(0, len(bits), 5)]
    spread = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    state = 1
    for value in [*spread, *values, *[0] * 6]:
        top, state = state >> 25, ((state & 0x1FFFFFF) << 5) ^ value
        for bit, generator in enumerate([0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3]):
            state ^= generator * ((top >> bit) & 1)
    state ^= 0x2BC830A3 if version else 1
    return f"{prefix}1" + "".join(BECH32[v] for v in [*values, *((state >> 5 * (5 - i)) & 31 for i in range(6))])


def changed(address: str, alphabet: str, seed: int) -> str:
    """One character of it another."""
    chance = random.Random(seed)
    place = chance.randrange(4, len(address))
    return address[:place] + chance.choice([c for c in alphabet if c != address[place]]) + address[place + 1 :]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        # From the BIPs, EIP-55 and the coins' own documents; two are of the first blocks of Bitcoin.
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", BITCOIN),
        ("3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy", BITCOIN),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", BITCOIN),
        ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", BITCOIN),
        ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", BITCOIN),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ETHEREUM),
        ("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359", ETHEREUM),
        ("0x" + "ab" * 20, ETHEREUM),
        ("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", OTHER),
        ("DE89 3704 0044 0532 0130 00", PaymentMeans.BANK_TRANSFER),
    ],
)
def test_published_examples_are_known(address: str, kind: PaymentMeans) -> None:
    text = f"to {address}, today"
    [(found, span)] = list(addresses.addresses(text))
    assert found is kind
    assert text[slice(*span)] == address


@pytest.mark.parametrize(
    "text",
    [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "bc1Qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
        "DE89 3704 0044 0532 0130 01",
        "x1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "d41d8cd98f00b204e9800998ecf8427e",
        "https://example.org/watch/AbCdEfGhJkLmNpQrStUvWxYz234567",
    ],
)
def test_a_wrong_checksum_is_no_address(text: str) -> None:
    assert list(addresses.addresses(text)) == []


def test_keccak_is_the_one_from_before_the_standard() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"abc").hex() == "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
    # Two blocks: padding and absorbing over a block's end.
    assert keccak256(b"a" * 200) != keccak256(b"a" * 201)


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=20, max_size=20), st.sampled_from([0, 5]), st.integers(0, 9))
def test_base58_made_and_broken(payload: bytes, version: int, seed: int) -> None:
    made = to_base58(version, payload)
    assert base58check(made) is BITCOIN
    assert base58check(changed(made, BASE58, seed)) is None


@settings(max_examples=25, deadline=None)
@given(
    st.binary(min_size=20, max_size=20), st.sampled_from([0, 1, 16]), st.sampled_from([("bc", BITCOIN), ("ltc", OTHER)]), st.integers(0, 9)
)
def test_bech32_made_and_broken(program: bytes, version: int, coin: tuple[str, PaymentMeans], seed: int) -> None:
    made = to_bech32(coin[0], version, program)
    assert bech32(made) is coin[1]
    assert bech32(changed(made, BECH32, seed)) is None
    assert bech32(to_bech32("tb", version, program)) is None


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=20, max_size=20))
def test_ethereum_mixed_case_must_be_its_own(payload: bytes) -> None:
    digits = payload.hex()
    marks = keccak256(digits.encode()).hex()
    made = "".join(c.upper() if int(m, 16) >= 8 else c for c, m in zip(digits, marks, strict=False))
    assert ethereum("0x" + made)
    letters = [i for i, c in enumerate(made) if c.isalpha()]
    if len(letters) > 2:
        other = made[: letters[1]] + made[letters[1]].swapcase() + made[letters[1] + 1 :]
        assert ethereum("0x" + other) == (other in (digits, digits.upper()))


def test_iban_counts_letters_too() -> None:
    assert iban("GB29 NWBK 6016 1331 9268 19")
    assert not iban("GB29 NWBK 6016 1331 9268 18")


def demand(text: str, tail: str = "") -> Cue:
    return next(cue for cue in SENSOR.read(text, tail).cues if cue.name in ("payment_demand", "repeat_demand"))


@pytest.mark.parametrize(
    ("text", "means", "says"),
    [
        ("send me a $100 steam gift card now", ["gift_card"], "gift card"),
        ("pay me $50 now or else, amazon card only", ["gift_card"], "gift card"),
        ("send me $50 on cashapp", ["payment_app"], "payment app"),
        ("mándame 50 euros por bizum ya", ["payment_app"], "payment app"),
        ("mandame una tarjeta de regalo", ["gift_card"], "gift card"),
        ("hazme la transferencia, a esta cuenta bancaria", ["bank_transfer"], "bank"),
        ("pay me $100 now in btc or by bank transfer", ["bitcoin", "bank_transfer"], "Bitcoin, bank"),
        ("pay me $100 now to $zantle-vorp", ["payment_handle"], "pay handle"),
        ("pay me $100 now 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ["ethereum"], "Ethereum"),
        ("pay me $100 now, a g1ft c4rd", ["gift_card"], "gift card"),
    ],
)
def test_a_demand_says_how_it_is_to_be_paid(text: str, means: list[str], says: str) -> None:
    cue = demand(text)
    assert list(cue.means) == means
    assert cue.reason.endswith(f": {says}")


def test_the_span_reaches_over_the_address_and_nothing_quotes_it() -> None:
    address = to_base58(0, bytes(range(20)))
    text = f"ok listen. pay me $100 now or else. use {address} ok"
    cue = demand(text)
    assert address in text[slice(*cue.span)]
    assert address not in cue.reason
    assert cue.means == (BITCOIN,)


def test_an_address_with_what_cannot_be_seen_in_it_is_still_one() -> None:
    address = to_base58(5, bytes(range(20)))
    text = f"pay me $100 now to {address[:9]}\u200b{address[9:]}"
    cue = demand(text)
    assert cue.means == (BITCOIN,)
    assert text[: cue.span[1]] == text


def test_an_address_alone_is_a_weak_demand() -> None:
    address = to_bech32("bc", 0, bytes(range(20)))
    cue = demand(f"here {address}")
    assert (cue.strength, cue.span) == (0.35, (5, 5 + len(address)))
    assert cue.reason == "names a wallet: Bitcoin"


@pytest.mark.parametrize(
    "text", ["my $team won", "bitcoin went up again", "i got a steam gift card for my birthday", "use paypal at the shop"]
)
def test_words_alone_are_no_demand(text: str) -> None:
    assert not any(cue.means for cue in SENSOR.read(text).cues)


def test_a_disguised_word_is_no_handle() -> None:
    assert demand("pay me $100 now, $team card").means == (PaymentMeans.GIFT_CARD,)


def test_a_demand_begun_before_points_at_the_means() -> None:
    cue = demand("me $50 on paypal", "pay")
    assert cue.means == (PaymentMeans.PAYMENT_APP,)
    assert "me $50 on paypal"[slice(*cue.span)]


def test_a_text_full_of_look_alikes_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(addresses, "_checked", lambda form, address: tried.append(form))
    assert list(addresses.addresses(" ".join(["A" * 30] * 200))) == []
    assert len(tried) == addresses.MOST
