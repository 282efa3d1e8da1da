"""All tables as one PDF, by pdflatex where it is installed: `udd pdf --tables results/tables`.

Writes all.tex (article and booktabs, nothing else), which \\input's the tables, and tables.pdf beside them. Without
pdflatex it says so, leaves no PDF and exits with 0: the tables themselves are in .tex, .md and .csv.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from udd.command import Parser
from udd.errors import UserError
from udd.files import write_atomic
from udd.reports.layouts import LAYOUTS

SOURCE = "all.tex"
OUTPUT = "tables.pdf"
PREAMBLE = r"""% All tables; compile in this folder: pdflatex all.tex
\documentclass[a4paper]{article}
\usepackage{booktabs}
\setlength{\oddsidemargin}{-0.9in}\setlength{\textwidth}{7.96in}
\setlength{\topmargin}{-0.9in}\setlength{\textheight}{10.6in}
\setlength{\headheight}{0pt}\setlength{\headsep}{0pt}\setlength{\belowcaptionskip}{4pt}
\renewcommand{\topfraction}{1}\renewcommand{\textfraction}{0}\renewcommand{\floatpagefraction}{0.9}
\setcounter{topnumber}{9}\setcounter{totalnumber}{9}
\pdfinfoomitdate=1 \pdftrailerid{} % the same tables give the same bytes
\begin{document}
"""


def document(names: list[str]) -> str:
    """The LaTeX document that holds the named tables, numbered as in the paper."""
    lines = [rf"\setcounter{{table}}{{{LAYOUTS[name].number - 1}}}\input{{{name}.tex}}" for name in names]
    return PREAMBLE + "\n".join([*lines, r"\clearpage", r"\end{document}"]) + "\n"


def compile_pdf(folder: Path) -> bytes:
    """The PDF of all.tex in `folder`. Raises UserError with LaTeX's first error."""
    with tempfile.TemporaryDirectory() as scratch:
        call = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"-output-directory={scratch}", SOURCE]
        environment = os.environ | {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
        done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, errors="replace")
        if done.returncode:
            problem = next((line for line in done.stdout.splitlines() if line.startswith("!")), "no message")
            raise UserError(f"{folder / SOURCE}: pdflatex failed: {problem}; run it there to see more")
        return Path(scratch, SOURCE).with_suffix(".pdf").read_bytes()


def parser() -> Parser:
    """The command line of `udd pdf`."""
    made = Parser(prog="udd pdf", description="Compile all tables into one PDF, if pdflatex is installed.")
    made.add_argument("--tables", type=Path, default=Path("results/tables"), help="the folder of the tables")
    made.add_argument(
        "--names",
        nargs="+",
        choices=LAYOUTS,
        default=list(LAYOUTS),
        help="which of them; by default all that are there",
    )
    return made


def run(argv: list[str] | None = None) -> None:
    """Make the PDF of the tables that exist."""
    args = parser().parse_args(argv)
    names = [name for name in LAYOUTS if name in args.names and (args.tables / f"{name}.tex").exists()]
    if not names:
        raise UserError(f"{args.tables}: no tables there; make them with udd tables")
    write_atomic(args.tables / SOURCE, document(names))
    if not shutil.which("pdflatex"):
        print(
            f"no pdflatex here, so no {OUTPUT} (Debian: apt install texlive-latex-recommended); {args.tables} has .md, "
            ".csv and .tex"
        )
        return
    write_atomic(args.tables / OUTPUT, compile_pdf(args.tables))
    print(f"{args.tables / OUTPUT}: {len(names)} tables")
