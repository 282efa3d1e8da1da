"""Plain text for LaTeX: what any pdflatex can set with its first font, whatever people write."""

from __future__ import annotations

import unicodedata

from anyascii import anyascii

SPECIAL = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "×": r"$\times$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}
# `\\ [` would ask for a length
SPECIAL |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}", "[": "{[}"}
SPECIAL |= {
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
}
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
}
ACCENTS |= {"\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c"}


def escape(text: str) -> str:
    """A text in LaTeX; accents stay, what the font lacks is transliterated."""
    return "".join(map(character, unicodedata.normalize("NFC", text)))


def character(letter: str) -> str:
    """One character in LaTeX."""
    if letter in SPECIAL:
        return SPECIAL[letter]
    if letter.isascii():
        return letter if letter.isprintable() else " "
    base, *accents = unicodedata.normalize("NFD", letter)
    if base.isascii() and len(accents) == 1 and accents[0] in ACCENTS:
        return f"\\{ACCENTS[accents[0]]}{{{base}}}"
    return "".join(SPECIAL.get(ascii_, ascii_) for ascii_ in anyascii(letter))
