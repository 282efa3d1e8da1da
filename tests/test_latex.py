"""Plain text in LaTeX: what pdflatex can set, whatever people write."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udd.reports.latex import escape
from udd.reports.pdf import PREAMBLE

NAMES = [
    "$5_to_$10",
    "x^2 & y_1%",
    "a\\b",
    "#{}~",
    "猫",
    "한국어",
    "Ünïcode ŝ ő ț đ ß Æ Łódź",
    "αβγ",
    "a < b > c | d",
    '"q"',
    "[1] x",
    "½ – — ‘x’ …",
    "😀",
]


def test_accents_stay_and_other_letters_are_transliterated():
    assert escape("Łódź") == r"\L{}\'{o}d\'{z}" and escape("猫") == "Mao" and escape("e\u0301") == r"\'{e}"
    assert escape("$5_to_$10") == r"\$5\_to\_\$10" and escape("±†×") == r"$\pm$$^\dagger$$\times$"
    assert escape("[1]") == "{[}1]" and escape("a\nb") == "a b"


@given(st.text(max_size=60))
def test_any_text_becomes_ascii_without_bare_specials(text):
    made = escape(text)
    assert made.isascii() and made.isprintable()
    assert not re.search(r"(?<!\\)[&%#_]", made) and "[" not in made.replace("{[}", "")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
def test_latex_sets_all_of_them(tmp_path):
    rows = "\n".join(rf"{escape(name)} & 1 \\" for name in NAMES)
    letters = escape("".join(chr(code) for code in range(0xA1, 0x250) if chr(code).isprintable()))
    body = rf"\begin{{tabular}}{{lr}}{rows}\end{{tabular}}\par {letters}\end{{document}}"
    (tmp_path / "names.tex").write_text(PREAMBLE + body)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "names.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Missing character" not in done.stdout, done.stdout[-2000:]
