"""Names in figures: no mathematics, and every letter one that an installed font has."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import font_manager
from matplotlib.text import Text
from PIL import Image

from udd.reports.figures import lettering
from udd.reports.figures.lettering import families, font_of, lend_fonts, plain
from udd.reports.figures.style import save, start

NAMES = [
    "$5_to_$10",
    "under $5 or $3",
    "$x^2$",
    "x^2 & y_1%",
    "a\\$b",
    "\\frac",
    "猫",
    "한국어",
    "Ünïcode",
    "😀 cat",
    "a\nb\tc",
    "{}",
]


def forget() -> None:
    """What was found among other fonts, here and by matplotlib."""
    lettering.other_font.cache_clear()
    type(font_manager.fontManager)._findfont_cached.cache_clear()  # type: ignore[attr-defined]


@pytest.fixture
def no_other_font(monkeypatch):
    """A machine with the default font alone."""
    default = font_manager.findfont(font_manager.FontProperties(family=["sans-serif"]))
    monkeypatch.setattr(
        font_manager.fontManager,
        "ttflist",
        [font for font in font_manager.fontManager.ttflist if font.fname == default],
    )
    lettering.other_font.cache_clear()
    yield
    forget()


def drawn(name: str) -> str:
    """What matplotlib makes of a label that it does not take for mathematics."""
    text, mathematics = Text(text=plain(name))._preprocess_math(plain(name))  # type: ignore[attr-defined]
    assert not mathematics
    return text


@pytest.mark.parametrize(
    "name", ["$5_to_$10", "under $5 or $3", "$x^2$", "x^2 & y_1%", "a\\$b", "\\frac", "Ünïcode", "$", "$$", "\\\\$"]
)
def test_a_name_is_shown_as_it_is_written(name):
    assert drawn(name) == name


def test_what_no_font_has_is_transliterated(no_other_font):
    assert [plain(name) for name in ("猫", "한국어", "x猫y")] == ["Mao", "HanGugEo", "xMaoy"]
    assert families("猫") == []


def test_what_another_font_has_stays_and_is_drawn_from_it(no_other_font, monkeypatch):
    default = font_manager.fontManager.ttflist
    monkeypatch.setattr(
        font_manager.fontManager, "ttflist", [*default, font_manager.FontEntry(fname="x.ttf", name="Cats")]
    )
    monkeypatch.setattr(lettering, "letters", lambda path: {ord("猫")} if path == "x.ttf" else {ord("a")})
    assert plain("猫") == "猫" and font_of("猫") == "Cats" and families(["猫a"]) == ["Cats"]
    figure, axes = start(3, 3)
    title = axes[0, 0].set_title(plain("猫"))
    lend_fonts(figure)
    assert title.get_fontfamily()[-1] == "Cats"


def test_a_font_that_draws_boxes_does_not_count(no_other_font, monkeypatch):
    monkeypatch.setattr(
        font_manager.fontManager, "ttflist", [font_manager.FontEntry(fname="x.ttf", name="Last Resort High-Efficiency")]
    )
    monkeypatch.setattr(lettering, "letters", lambda path: {ord("猫")} if path == "x.ttf" else set())
    assert font_of("猫") is None


def test_a_name_is_one_line_of_bounded_length():
    assert plain("a\nb\tc\x00d ") == "a b c d" and plain("x" * 99, 10) == "x" * 9 + "…"


@pytest.mark.filterwarnings("ignore:constrained_layout not applied")
def test_a_figure_with_all_of_them_is_drawn(tmp_path: Path):
    """Each label has ink of its own, and no letter is missing: of such a one matplotlib warns."""
    figure, axes = start(9, 5)
    axes[0, 0].set_yticks(range(len(NAMES)), [plain(name) for name in NAMES])
    axes[0, 0].set_title(" ".join(map(plain, NAMES[:3])))
    save(figure, [tmp_path / "names.png", tmp_path / "names.pdf"])
    shown = np.asarray(Image.open(tmp_path / "names.png").convert("L"))
    for label in (axes[0, 0].title, *axes[0, 0].get_yticklabels()):
        box = label.get_window_extent(dpi=200)
        place = shown[len(shown) - int(box.y1) : len(shown) - int(box.y0), int(box.x0) : int(box.x1)]
        assert (place < 100).any(), label.get_text()
    assert (tmp_path / "names.pdf").read_bytes().startswith(b"%PDF")


@given(st.text(max_size=60))
def test_any_text_becomes_a_label_without_mathematics(name):
    shown = drawn(name)
    assert shown.isprintable() and all(font_of(letter) is not None for letter in shown)
