"""The part of CEL (Common Expression Language) that conditions may use, and a checker for it.

The evaluator accepts a misspelt field until the moment it is read, and compares a level with a word that is no level without a
murmur. So every expression is read here first, against our own schema: what this checker accepts cannot fail when it runs, but for
whole numbers beyond 63 bits. That is why indexing, division, conversions and `matches` are left out: each can fail on some event.

What it accepts is quick as well, because of what it is made of and not because somebody timed it: no macro within a macro, no text
that grows, and so one walk over the expression, but for the test of a macro, which runs once an item of its list. `MAX_STEPS` bounds
the sum.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from itertools import pairwise

from msgspec import Struct

from nightlight.policy.schema import BOOL, BY_PATH, DOUBLE, GROUPS, INT, STRING, Type, members

MAX_LENGTH = 2000
MAX_DEPTH = 32
"""Brackets within brackets: the evaluator's own parser recurses, and a policy file must not be able to exhaust its stack."""

MAX_TERMS = 400
"""Names, operators and literals in one condition."""
MAX_ITEMS = 100
"""Items of all lists written out in one condition, together."""
MAX_STEPS = 10_000
"""Terms that one evaluation may read: a term in the test of a macro counts once an item of the list. A step takes some 50 ns."""
MAX_FAULTS = 20
"""Told of one condition: looking for what each misspelt word may have meant costs time too."""

METHODS: tuple[str, ...] = ("contains", "startsWith", "endsWith", "size", "exists", "all", "exists_one")
FUNCTIONS: tuple[str, ...] = ("size", "double", *(m for m in METHODS if m != "size"))
_MACROS = ("exists", "all", "exists_one")
_ANY = Type("any")
"""What has been complained about already: says no more about itself."""
_PUNCTUATION = frozenset(".,()[]:")
_RELATIONS = ("==", "!=", "<", "<=", ">", ">=", "in")


class Fault(Struct, frozen=True):
    """Something wrong with an expression, at a character of it."""

    at: int
    message: str
    allowed: tuple[str, ...] = ()


class _Stop(Exception):
    """The expression cannot be read any further."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class _Enough(Exception):
    """So much is wrong that no more is looked for."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(len(faults))
        self.faults = faults


class _Token(Struct, frozen=True):
    kind: str
    text: str
    at: int


class _Value(Struct, frozen=True):
    type: Type
    at: int
    literals: tuple[tuple[str, int], ...] = ()
    """Strings written out here and where: compared with what the other side can be."""
    items: int = 0
    """Of a list: how many it can have."""


_TOKEN = re.compile(
    r"(?P<blank>\s+|//[^\n]*)"
    r"|(?P<double>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)"
    r"|(?P<int>0[xX][0-9a-fA-F]+|\d+)"
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!+\-*/%()\[\]{},.?:])"
)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


def nearest(word: str, allowed: Iterable[str]) -> str:
    """` (did you mean x?)` where one of the allowed words is near, else nothing."""
    found = get_close_matches(word.lower(), list(allowed), n=1, cutoff=0.6)
    return f" (did you mean {found[0]!r}?)" if found else ""


class Reading(Struct, frozen=True):
    """What reading a condition showed."""

    faults: tuple[Fault, ...]
    """What is wrong with it; empty where it is sound and gives true or false."""
    steps: int = 0
    """Terms that one evaluation reads at most; 0 where something is wrong."""


def check_expression(source: str) -> tuple[Fault, ...]:
    """What is wrong with a condition; empty where it is sound and gives true or false."""
    return read_expression(source).faults


def read_expression(source: str) -> Reading:
    """Reads a condition once, in time linear in its length, without evaluating anything."""
    if len(source) > MAX_LENGTH:
        return Reading((Fault(0, f"a condition has at most {MAX_LENGTH} characters; this one has {len(source)}"),))
    try:
        tokens = _tokens(source)
        if (terms := _terms(tokens)) > MAX_TERMS:
            raise _Stop(Fault(0, f"a condition has at most {MAX_TERMS} names, operators and literals; this one has {terms}"))
        reader = _Reader(tokens, len(source))
        value = reader.condition()
    except _Enough as enough:
        return Reading(enough.faults)
    except _Stop as stop:
        return Reading((stop.fault,))
    steps = terms + reader.repeated
    if value.type not in (BOOL, _ANY):
        reader.faults.append(Fault(value.at, f"a condition must give true or false; this gives {_a(value.type)}"))
    elif steps > MAX_STEPS:
        message = f"one evaluation would take {steps} steps, and at most {MAX_STEPS} are allowed: shorten a list or the test asked of it"
        reader.faults.append(Fault(0, message))
    return Reading(tuple(reader.faults), 0 if reader.faults else steps)


def _terms(tokens: Iterable[_Token]) -> int:
    return sum(token.text not in _PUNCTUATION for token in tokens)


def _tokens(source: str) -> list[_Token]:
    tokens = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise _Stop(Fault(at, f"{source[at]!r} has no meaning here"))
        kind = match.lastgroup or ""
        if kind != "blank":
            tokens.append(_Token(kind, match[0], at))
        at = match.end()
    for before, token in pairwise(tokens):
        if token.kind == "string" and before.kind == "name" and before.at + len(before.text) == token.at:
            raise _Stop(Fault(before.at, f"strings with the prefix {before.text!r} are not supported; write an ordinary one"))
        if before.kind in ("int", "double") and token.kind in ("name", "int", "double") and before.at + len(before.text) == token.at:
            raise _Stop(Fault(before.at, f"{before.text + token.text!r} is no number"))
    return tokens


class _Reader:
    """Recursive descent over CEL's grammar; types are worked out on the way."""

    def __init__(self, tokens: list[_Token], length: int) -> None:
        self._tokens, self._end = tokens, length
        self._next, self._depth = 0, 0
        self._bound: dict[str, Type] = {}
        self._listed = 0
        self.repeated = 0
        """Steps that macros add: the terms of each test, once an item."""
        self.faults: list[Fault] = []

    def condition(self) -> _Value:
        if not self._tokens:
            raise _Stop(Fault(0, 'the condition is empty; write "true" where a rule always holds'))
        value = self._ternary()
        if (token := self._peek()) is not None:
            raise _Stop(Fault(token.at, f"{token.text!r} was not expected here"))
        return value

    # -- grammar, loosest first ------------------------------------------------------------------------------------------------

    def _ternary(self) -> _Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Stop(Fault(self._here(), f"more than {MAX_DEPTH} brackets within one another"))
        test = self._or()
        if self._take("?"):
            self._need(test, BOOL, "what stands before ?")
            yes = self._or()
            self._expect(":")
            no = self._ternary()
            type, literals = self._same(yes, no, "both sides of :"), (*yes.literals, *no.literals)
            test = _Value(type, test.at, literals, max(yes.items, no.items))
        self._depth -= 1
        return test

    def _or(self) -> _Value:
        return self._joined("||", self._and)

    def _and(self) -> _Value:
        return self._joined("&&", self._relation)

    def _joined(self, sign: str, part: Callable[[], _Value]) -> _Value:
        value = part()
        while self._take(sign):
            right = part()
            self._need(value, BOOL, f"the left side of {sign}")
            self._need(right, BOOL, f"the right side of {sign}")
            value = _Value(BOOL, value.at)
        return value

    def _relation(self) -> _Value:
        left = self._sum()
        while (token := self._peek()) is not None and token.text in _RELATIONS and token.kind in ("sign", "name"):
            self._next += 1
            right = self._sum()
            self._relate(token, left, right)
            left = _Value(BOOL, left.at)
        return left

    def _sum(self) -> _Value:
        left = self._product()
        while (token := self._peek()) is not None and token.kind == "sign" and token.text in "+-":
            self._next += 1
            right = self._product()
            left = self._arithmetic(token, left, right)
        return left

    def _product(self) -> _Value:
        left = self._unary()
        while (token := self._peek()) is not None and token.kind == "sign" and token.text in "*/%":
            self._next += 1
            right = self._unary()
            if token.text != "*":
                self._fault(token.at, f"{token.text} is not allowed: the rule would fail on an event where the right side is 0")
            left = self._arithmetic(token, left, right)
        return left

    def _unary(self) -> _Value:
        token = self._peek()
        if token is None or token.kind != "sign" or token.text not in "!-":
            return self._postfix()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Stop(Fault(token.at, f"more than {MAX_DEPTH} signs and brackets within one another"))
        self._next += 1
        value = self._unary()
        self._depth -= 1
        if token.text == "!":
            self._need(value, BOOL, "what follows !")
            return _Value(BOOL, token.at)
        if value.type not in (INT, DOUBLE, _ANY):
            self._fault(token.at, f"- needs a number; this is {_a(value.type)}")
        return _Value(value.type, token.at)

    def _postfix(self) -> _Value:
        value = self._primary()
        while (token := self._peek()) is not None and token.text in (".", "[") and token.kind == "sign":
            self._next += 1
            if token.text == "[":
                message = "indexing is not allowed: the rule would fail on an event where there is nothing at that place"
                raise _Stop(Fault(token.at, message, ("x in list", "list.exists(x, ...)", "group.field")))
            name = self._name()
            if not self._take("("):
                self._fault(name.at, f"{_a(value.type)} has no fields, so no {name.text!r}", METHODS)
                value = _Value(_ANY, value.at)
            elif name.text in _MACROS:
                value = self._macro(name, value)
            else:
                value = self._method(name, value, self._arguments())
        return value

    def _primary(self) -> _Value:
        token = self._peek()
        if token is None:
            raise _Stop(Fault(self._end, "the condition ends too early"))
        self._next += 1
        if token.kind == "int":
            return self._int(token)
        if token.kind == "double":
            return _Value(DOUBLE, token.at)
        if token.kind == "string":
            return self._string(token)
        if token.text == "(":
            value = self._ternary()
            self._expect(")")
            return value
        if token.text == "[":
            return self._list(token)
        if token.kind == "name":
            return self._named(token)
        raise _Stop(Fault(token.at, f"{token.text!r} was not expected here"))

    # -- things ----------------------------------------------------------------------------------------------------------------

    def _int(self, token: _Token) -> _Value:
        if len(token.text) > 1 and token.text.isdigit() and token.text[0] == "0":
            raise _Stop(Fault(token.at, f"write {token.text} without its leading 0"))
        if int(token.text, 0) >= 2**63:
            raise _Stop(Fault(token.at, "whole numbers go up to 9223372036854775807"))
        return _Value(INT, token.at)

    def _string(self, token: _Token) -> _Value:
        inner = token.text[1:-1]
        for escape in _ESCAPE.finditer(inner):
            if escape[1] not in _ESCAPES:
                raise _Stop(Fault(token.at + 1 + escape.start(), f"the escape {escape[0]!r} is not supported"))
        text = _ESCAPE.sub(lambda m: _ESCAPES[m[1]], inner)
        return _Value(STRING, token.at, ((text, token.at),))

    def _list(self, token: _Token) -> _Value:
        items = self._until("]")
        self._listed += len(items)
        if self._listed > MAX_ITEMS:
            raise _Stop(Fault(token.at, f"the lists written out in a condition have at most {MAX_ITEMS} items together"))
        item = _ANY
        for value in items:
            if item == _ANY:
                item = _plain(value.type)
            elif value.type != _ANY and _plain(value.type) != item:
                self._fault(value.at, f"a list holds things of one kind: {item} and {_plain(value.type)} do not mix")
        return _Value(Type("list", item=item), token.at, tuple(text for value in items for text in value.literals), len(items))

    def _named(self, token: _Token) -> _Value:
        if token.text in ("true", "false"):
            return _Value(BOOL, token.at)
        if token.text == "null":
            self._fault(token.at, 'no field is ever null; compare with its default, such as "" or 0')
            return _Value(_ANY, token.at)
        if self._take("("):
            return self._function(token)
        if token.text in self._bound:
            return _Value(self._bound[token.text], token.at)
        return self._field(token)

    def _field(self, token: _Token) -> _Value:
        path, at = "", token.at
        name = token
        while True:
            allowed = members(path)
            if name.text not in allowed:
                where = f"{path} has no field" if path else "there is no variable"
                self._fault(name.at, f"{where} {name.text!r}{nearest(name.text, allowed)}", allowed)
                self._skip_fields()
                return _Value(_ANY, at)
            path = f"{path}.{name.text}" if path else name.text
            if path in BY_PATH:
                type = BY_PATH[path].type
                return _Value(type, at, (), len(type.item.values) if type.item is not None else 0)
            if path not in GROUPS or not self._take("."):
                self._fault(at, f"{path} is a group of fields, not a value", tuple(f"{path}.{m}" for m in members(path)))
                return _Value(_ANY, at)
            name = self._name()

    def _skip_fields(self) -> None:
        while (token := self._peek()) is not None and token.text == "." and token.kind == "sign":
            self._next += 1
            self._name()
            if self._take("("):
                self._until(")")

    def _function(self, name: _Token) -> _Value:
        if name.text in _MACROS:
            self._fault(name.at, f"{name.text} is asked of a list: list.{name.text}(x, ...)", METHODS)
            self._until(")")
            return _Value(_ANY, name.at)
        arguments = self._until(")")
        if name.text == "has":
            self._fault(name.at, 'has is not needed: every field is always there; compare with its default, such as "" or 0')
            return _Value(BOOL, name.at)
        if name.text == "double":
            if len(arguments) != 1 or arguments[0].type not in (INT, DOUBLE, _ANY):
                self._fault(name.at, "double takes one number")
            return _Value(DOUBLE, name.at)
        if name.text in METHODS and arguments:
            return self._method(name, arguments[0], arguments[1:])
        self._fault(name.at, f"there is no function {name.text!r}{nearest(name.text, FUNCTIONS)}", FUNCTIONS)
        return _Value(_ANY, name.at)

    def _method(self, name: _Token, value: _Value, arguments: list[_Value]) -> _Value:
        kind = value.type.name
        if name.text == "size":
            if arguments or kind not in ("string", "list", "any"):
                self._fault(name.at, "size is asked of one string or list")
            return _Value(INT, value.at)
        if name.text in ("contains", "startsWith", "endsWith"):
            if kind == "list":
                self._fault(name.at, f"{name.text} is asked of a string; for a list write: x in list")
            elif kind not in ("string", "any") or len(arguments) != 1 or arguments[0].type.name not in ("string", "any"):
                self._fault(name.at, f"{name.text} is asked of a string, with a string")
            return _Value(BOOL, value.at)
        self._fault(name.at, f"there is no function {name.text!r}{nearest(name.text, FUNCTIONS)}", FUNCTIONS)
        return _Value(_ANY, value.at)

    def _macro(self, name: _Token, value: _Value) -> _Value:
        if self._bound:
            message = f"{name.text} within the test of another list is not allowed: the time it takes multiplies with every level"
            raise _Stop(Fault(name.at, message, ("x in list", "two rules")))
        variable = self._name()
        self._expect(",")
        if value.type.name not in ("list", "any"):
            self._fault(name.at, f"{name.text} is asked of a list; this is {_a(value.type)}")
        if variable.text in members(""):
            self._fault(variable.at, f"{variable.text!r} already means something; choose another name")
        begin = self._next
        self._bound = {variable.text: value.type.item or _ANY}
        test = self._ternary()
        self._bound = {}
        self.repeated += value.items * _terms(self._tokens[begin : self._next])
        self._need(test, BOOL, f"the test of {name.text}")
        self._expect(")")
        return _Value(BOOL, value.at)

    # -- types -----------------------------------------------------------------------------------------------------------------

    def _relate(self, sign: _Token, left: _Value, right: _Value) -> None:
        if sign.text == "in":
            if right.type.name not in ("list", "any"):
                self._fault(right.at, f"what follows in must be a list; this is {_a(right.type)}")
                return
            item = right.type.item or _ANY
            if not _comparable(left.type, item):
                self._fault(sign.at, f"{_a(left.type)} is never in a {right.type}")
            self._words(left, right)
            self._words(right, left)
            return
        if not _comparable(left.type, right.type):
            self._fault(sign.at, f"{_a(left.type)} and {_a(right.type)} cannot be compared")
        elif sign.text not in ("==", "!=") and left.type.name not in ("int", "double", "any"):
            hint = ': words sort by alphabet, not by urgency; write e.g. risk.level in ["elevated", "high"]'
            self._fault(sign.at, f"{sign.text} needs numbers{hint if left.type.name == 'string' else ''}")
        self._words(left, right)
        self._words(right, left)

    def _words(self, words: _Value, other: _Value) -> None:
        """Words written out must be among those that the other side can be."""
        can_be = other.type.values or (other.type.item.values if other.type.item is not None else ())
        for text, at in words.literals if can_be else ():
            if text not in can_be and not (other.type.others and text.startswith(other.type.others)):
                self._fault(at, f"it is never {text!r}{nearest(text, can_be)}", can_be)

    def _arithmetic(self, sign: _Token, left: _Value, right: _Value) -> _Value:
        kinds = {left.type.name, right.type.name} - {"any"}
        if len(kinds) > 1 and kinds <= {"int", "double"}:
            self._fault(sign.at, f"{sign.text} needs two whole numbers or two fractions; write double(...) around the whole one")
        elif "string" in kinds:
            self._fault(sign.at, f"{sign.text} needs numbers: text is compared, never put together")
        elif len(kinds) > 1 or not kinds <= {"int", "double"}:
            self._fault(sign.at, f"{sign.text} does not work on {_a(left.type)} and {_a(right.type)}")
        plain = _plain(left.type if left.type != _ANY else right.type)
        return _Value(plain if len(kinds) <= 1 else _ANY, left.at)

    def _same(self, one: _Value, other: _Value, what: str) -> Type:
        if _ANY in (one.type, other.type):
            return _ANY
        if _plain(one.type) != _plain(other.type):
            self._fault(other.at, f"{what} must be of one type; these are {_a(one.type)} and {_a(other.type)}")
            return _ANY
        return _plain(one.type)

    def _need(self, value: _Value, type: Type, what: str) -> None:
        if value.type not in (type, _ANY):
            self._fault(value.at, f"{what} must be {_a(type)}; this is {_a(value.type)}")

    # -- tokens ----------------------------------------------------------------------------------------------------------------

    def _until(self, end: str) -> list[_Value]:
        values: list[_Value] = []
        while not self._take(end):
            if values:
                self._expect(",")
            values.append(self._ternary())
        return values

    def _arguments(self) -> list[_Value]:
        return self._until(")")

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _here(self) -> int:
        token = self._peek()
        return token.at if token is not None else self._end

    def _take(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.text != text or token.kind == "string":
            return False
        self._next += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise _Stop(Fault(self._here(), f"{text!r} was expected here"))

    def _name(self) -> _Token:
        token = self._peek()
        if token is None or token.kind != "name":
            raise _Stop(Fault(self._here(), "a name was expected here"))
        self._next += 1
        return token

    def _fault(self, at: int, message: str, allowed: tuple[str, ...] = ()) -> None:
        self.faults.append(Fault(at, message, allowed))
        if len(self.faults) == MAX_FAULTS:
            raise _Enough(tuple(self.faults))


def _plain(type: Type) -> Type:
    return STRING if type.name == "string" else type


def _comparable(one: Type, other: Type) -> bool:
    if "any" in (one.name, other.name):
        return True
    if one.name == other.name == "list":
        return _comparable(one.item or _ANY, other.item or _ANY)
    return one.name == other.name or {one.name, other.name} == {"int", "double"}


def _a(type: Type) -> str:
    words = {"bool": "true or false", "int": "a whole number", "double": "a fraction", "string": "a word", "any": "something"}
    return words.get(type.name, f"a {type}")
