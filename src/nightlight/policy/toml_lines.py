"""Where in a TOML file each value stands: the standard reader tells the values and not their lines.

The text must be valid TOML (`tomllib` has read it before), so this only needs to find its way, never to judge.
"""

from __future__ import annotations

import re
from bisect import bisect_right

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BLANKS_AND_COMMENTS = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]\}#\r\n]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?:"{0,2})|'
    r"'''.*?'''(?:'{0,2})|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+)\]|\[\.\.\.\]")


class Lines:
    """Line numbers, from 1, of every table, key and array item of a TOML text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self._keys: dict[Path, int] = {}
        self._strings: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        self._at = 0
        self._walk()

    def of(self, *path: str | int) -> int:
        """The line of a key, table or item; of the nearest thing around it where it is not in the file."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._keys:
                return self._keys[path[:end]]
        return 1

    def of_text(self, *path: str | int) -> int:
        """The line on which the first character of a string value stands."""
        return self._strings.get(path, self.of(*path))

    def of_error(self, at: str) -> int:
        """The line for a path as msgspec writes it, such as `$.cell[3].ruling`."""
        return self.of(*(int(m[2]) if m[2] else m[1] for m in _STEP.finditer(at) if m[1] or m[2]))

    # -- the walk --------------------------------------------------------------------------------------------------------------

    def _walk(self) -> None:
        table: Path = ()
        while True:
            self._skip(_BLANKS_AND_COMMENTS)
            if self._at >= len(self._text):
                return
            if self._text.startswith("[[", self._at):
                line = self._line()
                self._at += 2
                table = self._open_item(self._key_path(), line)
                self._at += 2
            elif self._text[self._at] == "[":
                line = self._line()
                self._at += 1
                table = self._resolve(self._key_path())
                self._keys.setdefault(table, line)
                self._at += 1
            else:
                self._pair(table)

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for part in self._key_path():
            path = (*path, part)
            self._keys.setdefault(path, line)
        self._at += 1  # the equals sign
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._string(path)
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline(path)
        else:
            self._skip(_SCALAR)

    def _string(self, path: Path) -> None:
        match = _STRING.match(self._text, self._at)
        if match is None:  # not valid TOML after all: go on at the next line, the numbers stay near enough
            self._skip(_SCALAR)
            return
        long = self._text[self._at : self._at + 3] in ('"""', "'''")
        start = self._at + (3 if long else 1)
        if long:  # a line break right after the quotes is no part of the string
            start += 2 if self._text.startswith("\r\n", start) else 1 if self._text.startswith("\n", start) else 0
        self._strings[path] = self._line(start)
        self._at = match.end()

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        while True:
            self._skip(_BLANKS_AND_COMMENTS)
            if self._at >= len(self._text) or self._text[self._at] == "]":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._keys[(*path, number)] = self._line()
            before = self._at
            self._value((*path, number))
            self._at = max(self._at, before + 1)
            number += 1

    def _inline(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip(_BLANKS_AND_COMMENTS)
            if self._at >= len(self._text) or self._text[self._at] == "}":
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)

    # -- keys ------------------------------------------------------------------------------------------------------------------

    def _key_path(self) -> list[str]:
        parts = []
        while True:
            self._skip(_BLANK)
            quote = _STRING.match(self._text, self._at)
            bare = _BARE.match(self._text, self._at)
            if quote is not None:
                parts.append(quote[0][1:-1])
                self._at = quote.end()
            elif bare is not None:
                parts.append(bare[0])
                self._at = bare.end()
            else:
                self._at += 1
                return parts
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _resolve(self, parts: list[str]) -> Path:
        path: Path = ()
        for part in parts:
            path = (*path, part)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _open_item(self, parts: list[str], line: int) -> Path:
        array: Path = (*self._resolve(parts[:-1]), parts[-1])
        number = self._counts.get(array, 0)
        self._counts[array] = number + 1
        self._keys.setdefault(array, line)
        self._keys[(*array, number)] = line
        return (*array, number)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()

    def _line(self, at: int | None = None) -> int:
        return bisect_right(self._starts, self._at if at is None else at)
