"""A QR code of a short text, drawn as one SVG path: byte mode, error correction M, versions 1 to 10 (ISO/IEC 18004:2015)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nightlight.core.errors import Invalid

# Table 9, level M: (check symbols a block, blocks of the first size, data symbols in each; those of the second size have one more).
_BLOCKS = (
    (10, 1, 16, 0), (16, 1, 28, 0), (26, 1, 44, 0), (18, 2, 32, 0), (24, 2, 43, 0),
    (16, 4, 27, 0), (18, 4, 31, 0), (22, 2, 38, 2), (22, 3, 36, 2), (26, 4, 43, 1),
)  # fmt: skip
# Annex E: centres of the alignment patterns.
_CENTRES = ((), (6, 18), (6, 22), (6, 26), (6, 30), (6, 34), (6, 22, 38), (6, 24, 42), (6, 26, 46), (6, 28, 50))
_MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda y, x: (y + x) % 2 == 0,
    lambda y, x: y % 2 == 0,
    lambda y, x: x % 3 == 0,
    lambda y, x: (y + x) % 3 == 0,
    lambda y, x: (y // 2 + x // 3) % 2 == 0,
    lambda y, x: (y * x) % 2 + (y * x) % 3 == 0,
    lambda y, x: ((y * x) % 2 + (y * x) % 3) % 2 == 0,
    lambda y, x: ((y + x) % 2 + (y * x) % 3) % 2 == 0,
)
Grid = list[list[bool | None]]

_EXP, _LOG = [0] * 512, [0] * 256
_value = 1
for _power in range(255):
    _EXP[_power] = _EXP[_power + 255] = _value
    _LOG[_value] = _power
    _value = _value << 1 ^ (0x11D if _value & 0x80 else 0)


def path(text: str) -> tuple[int, str]:
    """Modules on a side, and the dark ones as an SVG path, one unit each. Raises Invalid for a text that is too long (213 bytes)."""
    grid = matrix(text)
    runs = [f"M{x},{y}h{w}v1h-{w}z" for y, row in enumerate(grid) for x, w in _runs(row)]
    return len(grid), "".join(runs)


def matrix(text: str) -> list[list[bool]]:
    """True: dark. Without the quiet zone of four modules."""
    data = text.encode()
    rooms = [blocks * size + longer * (size + 1) for _, blocks, size, longer in _BLOCKS]
    version = next((n for n, most in enumerate(rooms, start=1) if len(data) <= most - (2 if n < 10 else 3)), 0)
    if not version:
        raise Invalid("too long for a code", field="text")
    room, (check, blocks, size, longer) = rooms[version - 1], _BLOCKS[version - 1]
    side = 17 + 4 * version
    base, fixed = _patterns(version, side)
    bits = _interleaved(_padded(data, room, 8 if version < 10 else 16), check, blocks, size, longer)
    _place(base, fixed, bits)
    best = min((_masked(base, fixed, number) for number in range(8)), key=_penalty)
    return [[bool(cell) for cell in row] for row in best]


def _padded(data: bytes, room: int, count_bits: int) -> list[int]:
    bits = f"0100{len(data):0{count_bits}b}" + "".join(f"{byte:08b}" for byte in data)
    bits += "0" * min(4, room * 8 - len(bits))
    bits += "0" * (-len(bits) % 8)
    symbols = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    return symbols + [(0xEC, 0x11)[n % 2] for n in range(room - len(symbols))]


def _interleaved(symbols: list[int], check: int, blocks: int, size: int, longer: int) -> Iterator[int]:
    """The bits in the order in which they are placed."""
    parts, at = [], 0
    for length in [size] * blocks + [size + 1] * longer:
        parts.append(symbols[at : at + length])
        at += length
    checks = [_remainder(part, check) for part in parts]
    mixed = [part[n] for n in range(size + 1) for part in parts if n < len(part)] + [c[n] for n in range(check) for c in checks]
    return (symbol >> shift & 1 for symbol in mixed for shift in range(7, -1, -1))


def _remainder(part: list[int], check: int) -> list[int]:
    """Reed-Solomon over GF(256)."""
    divisor = [1]
    for power in range(check):
        divisor = [
            (divisor[n] if n < len(divisor) else 0) ^ (_times(divisor[n - 1], _EXP[power]) if n else 0) for n in range(len(divisor) + 1)
        ]
    rest = part + [0] * check
    for at in range(len(part)):
        factor = rest[at]
        for n, coefficient in enumerate(divisor):
            rest[at + n] ^= _times(coefficient, factor)
    return rest[len(part) :]


def _times(a: int, b: int) -> int:
    return _EXP[_LOG[a] + _LOG[b]] if a and b else 0


def _patterns(version: int, side: int) -> tuple[Grid, list[list[bool]]]:
    grid: Grid = [[None] * side for _ in range(side)]

    def put(y: int, x: int, dark: bool) -> None:
        if 0 <= y < side and 0 <= x < side:
            grid[y][x] = dark

    for y0, x0 in ((3, 3), (3, side - 4), (side - 4, 3)):
        for y in range(-4, 5):
            for x in range(-4, 5):
                put(y0 + y, x0 + x, max(abs(y), abs(x)) not in (2, 4))
    centres = _CENTRES[version - 1]
    corners = {(6, 6), (6, centres[-1]), (centres[-1], 6)} if centres else set()
    for y0 in centres:
        for x0 in centres:
            if (y0, x0) not in corners:
                for y in range(-2, 3):
                    for x in range(-2, 3):
                        put(y0 + y, x0 + x, max(abs(y), abs(x)) != 1)
    for n in range(8, side - 8):
        put(6, n, n % 2 == 0)
        put(n, 6, n % 2 == 0)
    for n in range(9):  # room for the format, written with the mask
        for y, x in ((8, n), (n, 8), *(((8, side - 1 - n), (side - 1 - n, 8)) if n < 8 else ())):
            if grid[y][x] is None:
                put(y, x, False)
    put(side - 8, 8, True)
    if version >= 7:
        bits = version << 12 | _divided(version << 12, 0x1F25, 13)
        for n in range(18):
            y, x = side - 11 + n % 3, n // 3
            put(y, x, bool(bits >> n & 1))
            put(x, y, bool(bits >> n & 1))
    return grid, [[cell is not None for cell in row] for row in grid]


def _place(grid: Grid, fixed: list[list[bool]], bits: Iterator[int]) -> None:
    """Two columns at a time from the right, up and down by turns, past the column of the timing pattern."""
    side = len(grid)
    columns = [*range(side - 1, 6, -2), 5, 3, 1]
    for turn, right in enumerate(columns):
        rows = range(side - 1, -1, -1) if turn % 2 == 0 else range(side)
        for y in rows:
            for x in (right, right - 1):
                if not fixed[y][x]:
                    grid[y][x] = bool(next(bits, 0))


def _masked(base: Grid, fixed: list[list[bool]], number: int) -> Grid:
    side = len(base)
    rule = _MASKS[number]
    grid: Grid = [[bool(base[y][x]) ^ (not fixed[y][x] and rule(y, x)) for x in range(side)] for y in range(side)]
    data = number  # the two bits of level M are 00
    bits = (data << 10 | _divided(data << 10, 0x537, 11)) ^ 0x5412
    for n in range(15):
        dark = bool(bits >> n & 1)
        first = (n, 8) if n < 6 else (n + 1, 8) if n < 8 else (8, 7) if n == 8 else (8, 14 - n)
        second = (8, side - 1 - n) if n < 8 else (side - 15 + n, 8)
        for y, x in (first, second):
            grid[y][x] = dark
    return grid


def _divided(value: int, divisor: int, length: int) -> int:
    while value.bit_length() >= length:
        value ^= divisor << value.bit_length() - length
    return value


def _penalty(grid: Grid) -> int:
    """Section 7.8.3.1."""
    side, score = len(grid), 0
    lines = ["".join("1" if cell else "0" for cell in row) for row in (*grid, *zip(*grid, strict=True))]
    for line in lines:
        run = 1
        for a, b in zip(line, line[1:] + "x", strict=True):
            if a == b:
                run += 1
                continue
            score += run - 2 if run >= 5 else 0
            run = 1
        score += 40 * sum(line.startswith(p, at) for at in range(side - 10) for p in ("10111010000", "00001011101"))
    for y in range(side - 1):
        for x in range(side - 1):
            score += 3 * (grid[y][x] == grid[y][x + 1] == grid[y + 1][x] == grid[y + 1][x + 1])
    dark = sum(line.count("1") for line in lines[:side]) * 100 / side**2
    return score + 10 * int(abs(dark - 50) / 5)


def _runs(row: list[bool]) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(row):
        if not row[at]:
            at += 1
            continue
        end = at
        while end < len(row) and row[end]:
            end += 1
        yield at, end - at
        at = end
