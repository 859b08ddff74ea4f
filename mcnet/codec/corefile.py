"""Reads a Corefile, CoreDNS's configuration, as far as its server blocks: what they serve, and their directives.

Nothing is ever written from what was read: whoever changes a Corefile puts text into it, so that every byte of the
rest stays. The syntax is that of github.com/coredns/caddy. Why a block is wanted is mcnet.plan.corefile's.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mcnet.codec.errors import DecodeError

DEFAULT_PORT: Final = 53
_WORD: Final = re.compile(r'"(?:\\.|[^"\\])*"|\S+', re.DOTALL)
_SCHEME: Final = re.compile(r"([a-z]+[a-z0-9+]*)://")
_PORT: Final = re.compile(r"(.*):(\d{1,5})$")


@dataclass(frozen=True, slots=True)
class Directive:
    """A plugin's line in a server block; what it has in braces is not looked into, but is part of `text`."""

    name: str
    arguments: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Zone:
    """What a server block serves: a zone in lower case without a dot at its end ("." is all), by plain DNS or not."""

    name: str
    port: int
    plain: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A server block."""

    zones: tuple[Zone, ...]
    directives: tuple[Directive, ...]

    def all(self, name: str) -> tuple[Directive, ...]:
        """The directives of that name."""
        return tuple(one for one in self.directives if one.name == name)


@dataclass(frozen=True, slots=True)
class Corefile:
    """`imports` are patterns of other files outside of all blocks."""

    blocks: tuple[Block, ...]
    imports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int
    first: bool
    """Whether it begins a line."""


def decode(text: str) -> Corefile:
    """Raises DecodeError for what is no Corefile, or not of the form with braces around each server block."""
    blocks: list[Block] = []
    imports: list[str] = []
    words = list(_words(text))
    place = 0
    while place < len(words):
        if words[place].text == "import":
            arguments, place = _line(words, place)
            imports += arguments
            continue
        keys: list[str] = []
        while place < len(words) and words[place].text != "{":
            if keys and words[place].first and not keys[-1].endswith(","):
                raise DecodeError("Corefile", keys[0], "is not followed by a block in braces")
            keys.append(words[place].text)
            place += 1
        if not keys or place == len(words):
            raise DecodeError("Corefile", keys[0] if keys else "{", "is not a server block")
        directives, place = _body(text, words, place + 1)
        if not keys[0].startswith("("):  # a snippet, to be imported elsewhere
            zones = tuple(_zone(key) for each in keys for key in each.split(",") if key)
            blocks.append(Block(zones, tuple(directives)))
    return Corefile(tuple(blocks), tuple(imports))


def _body(text: str, words: list[_Word], place: int) -> tuple[list[Directive], int]:
    """The directives from `place` on, and the place after the brace that ends the block."""
    directives: list[Directive] = []
    while place < len(words):
        if words[place].text == "}":
            return directives, place + 1
        begin, depth = place, 0
        while place < len(words) and (place == begin or depth or not words[place].first):
            depth += {"{": 1, "}": -1}.get(words[place].text, 0)
            if depth < 0:
                break
            place += 1
        of = words[begin:place]
        line = [word.text for word in of if not word.first or word is of[0]]
        arguments = line[1 : line.index("{")] if "{" in line else line[1:]
        directives.append(Directive(of[0].text, tuple(arguments), text[of[0].start : of[-1].end]))
    raise DecodeError("Corefile", "}", "is missing")


def _line(words: list[_Word], place: int) -> tuple[list[str], int]:
    """What follows a word on its line, and the place after that."""
    end = place + 1
    while end < len(words) and not words[end].first:
        end += 1
    return [word.text for word in words[place + 1 : end]], end


def _words(text: str) -> Iterator[_Word]:
    """Comments are left out; a word in quotes may go over several lines."""
    place, last = 0, -1
    while found := _WORD.search(text, place):
        word, place = found.group(), found.end()
        if word.startswith("#"):
            newline = text.find("\n", found.start())
            place = len(text) if newline < 0 else newline
            continue
        if word.startswith('"') and (len(word) < 2 or not word.endswith('"')):
            raise DecodeError("Corefile", word, "has no closing quote")
        yield _Word(word, found.start(), found.end(), first=last < 0 or "\n" in text[last : found.start()])
        last = found.end()


def _zone(key: str) -> Zone:
    scheme = _SCHEME.match(key)
    rest = key[scheme.end() :] if scheme else key
    port = _PORT.match(rest)
    name = port.group(1) if port else rest
    number = int(port.group(2)) if port else DEFAULT_PORT
    return Zone(name.lower().rstrip(".") or ".", number, not scheme or scheme.group(1) == "dns")
