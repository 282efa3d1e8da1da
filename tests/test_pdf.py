"""All tables as one PDF, where LaTeX is installed."""

import re
import shutil
from pathlib import Path

import pytest
import records

from udd.errors import UserError
from udd.reports import pdf


@pytest.fixture
def written(tmp_path) -> Path:
    return records.write_tables(tmp_path)


def test_without_latex_there_is_a_message_and_no_pdf(written, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    pdf.run(["--tables", str(written)])
    assert "no pdflatex here" in capsys.readouterr().out
    assert (written / "all.tex").exists() and not (written / "tables.pdf").exists()


def test_no_tables_no_pdf(tmp_path):
    with pytest.raises(UserError, match="no tables there"):
        pdf.run(["--tables", str(tmp_path)])


def test_the_pdf_has_the_named_tables_only(written, monkeypatch):
    """One that the parameters ask for no longer may lie there still."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    pdf.run(["--tables", str(written), "--names", "policy", "main"])
    assert re.findall(r"input\{(.*)\.tex}", (written / "all.tex").read_text()) == ["main", "policy"]


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
def test_latex_compiles_all_tables_and_the_same_bytes_again(written):
    pdf.run(["--tables", str(written)])
    first = (written / "tables.pdf").read_bytes()
    assert first.startswith(b"%PDF") and len(first) > 10_000
    pdf.run(["--tables", str(written)])
    assert (written / "tables.pdf").read_bytes() == first


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
def test_a_table_that_latex_cannot_read_is_named(written):
    (written / "main.tex").write_text(r"\undefined")
    with pytest.raises(UserError, match="pdflatex failed: ! Undefined control sequence"):
        pdf.run(["--tables", str(written)])
