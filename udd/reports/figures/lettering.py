"""Names in figures as people have them: never read as mathematics, and every letter one that can be drawn.

A letter that the default font lacks comes from another installed font that has it; where none has, it is transliterated
(anyascii: `猫` is `Mao`). So what a figure shows depends on the fonts that are installed, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from anyascii import anyascii
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

BOXES = "Last Resort"  # matplotlib's own font that has every letter: as a box
LONGEST = 40  # characters of a name that are shown


@cache
def letters(path: str) -> frozenset[int]:
    """The code points that a font file has glyphs for; none if it cannot be read."""
    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def font_of(letter: str) -> str | None:
    """The family that a letter is drawn from: the default one (empty text), another installed one
    that has it; None if none has."""
    # Asked anew: a style may change it
    default = font_manager.findfont(font_manager.FontProperties(family=["sans-serif"]))
    return "" if ord(letter) in letters(default) else other_font(letter)


@cache
def other_font(letter: str) -> str | None:
    """The first installed family that has a letter, upright and regular ones before others."""
    fonts = [entry for entry in font_manager.fontManager.ttflist if not entry.name.startswith(BOXES)]
    entries = sorted(fonts, key=lambda entry: (entry.style != "normal", entry.weight != 400, entry.name, entry.fname))
    return next((entry.name for entry in entries if ord(letter) in letters(entry.fname)), None)


def drawable(letter: str) -> str:
    """A letter, or what stands for it where no font has it."""
    if not letter.isprintable():
        return " "
    return letter if font_of(letter) is not None else anyascii(letter) or "?"


def plain(name: str, longest: int = LONGEST) -> str:
    """A name for a label: one line, letters that can be drawn, a dollar a dollar."""
    shown = " ".join("".join(map(drawable, name)).split())
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    return shown.replace("$", r"\$")


def families(text: Iterable[str]) -> list[str]:
    """The fonts besides the default one that a text needs."""
    return sorted(filter(None, {font_of(letter) for letter in set("".join(text)) if letter.isprintable()}))


def lend_fonts(figure: Figure) -> None:
    """Let every text of a figure draw from the fonts that its letters need, after those it has."""
    texts = figure.findobj(Text)
    needed = families(text.get_text() for text in texts)  # pyright: ignore[reportAttributeAccessIssue]
    for text in texts if needed else []:
        text.set_fontfamily([*text.get_fontfamily(), *needed])  # pyright: ignore[reportAttributeAccessIssue]
