"""The command line: bad usage is one line and exit status 2, whatever the verb; what failed is one line and 1."""

import os
import subprocess
import sys

import pytest

from udd.__main__ import VERBS, run
from udd.command import Parser, main

# Verbs that need a configuration, or a data set's name
ASKING = ("data", "distill", "cache", "utilization", "reference", "coresets")
CELL = ["--dataset", "digits", "--manifest", "m", "--root", ".", "--out", "o"]


def refused(capsys, *words: str) -> tuple[int, str]:
    """The exit status of a command line that is refused, and what it says."""
    with pytest.raises(SystemExit) as error:
        run(list(words))
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1, said
    assert isinstance(error.value.code, int)
    return error.value.code, said


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_that_is_not_there(capsys, verb):
    code, said = refused(capsys, *verb.split(), "--nonsense")
    assert code == 2 and f"udd {verb} --help" in said


def test_a_verb_that_is_not_there_is_guessed_and_a_source_is_asked_for(capsys):
    assert "no such verb; did you mean 'distill'?" in refused(capsys, "distil")[1]
    assert "required: source" in refused(capsys, "distill")[1]
    assert "required: file, --dataset" in refused(capsys, "evaluate")[1]


@pytest.mark.parametrize("verb", ASKING)
def test_no_data_set_is_named(capsys, verb):
    code, said = refused(capsys, verb)
    assert code == 2 and "required" in said


@pytest.mark.parametrize(
    "words",
    [
        ("cache", "--dataset", "digit"),
        ("distill", *CELL, "--variant", "uddd"),
        ("distill", *CELL, "--ipc", "ten"),
        ("coresets", *CELL, "--variant", "random", "--device", "gpu"),
        ("distill", "--config", "{}", "--dataset", "digits"),
        ("evaluate", *CELL, "--protocol", "idcc"),
        ("estimate", "--table", "mian"),
        ("evaluate", "a.pt", "--dataset", "digits"),
        ("plan", "--dataset", "digit"),
        ("data", "--dataset", "digit"),
        ("reference", "--dataset", "digit"),
        ("tables", "--table", "mian"),
        ("tables", "--show", "mian"),
        ("figures", "gallry"),
        ("figures", "--config", "{}"),
        ("nonsense",),
    ],
    ids=" ".join,
)
def test_a_name_that_is_not_there(capsys, words):
    assert refused(capsys, *words)[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ("distill", "digits", "--networks", "-1"),
        ("distill", "digits", "--epochs", "0"),
        ("distill", "digits", "--size", "-3"),
        ("evaluate", "a.safetensors", "--dataset", "digits", "--networks", "0"),
        ("show", "a.safetensors", "--most", "0"),
    ],
    ids=" ".join,
)
def test_a_number_that_means_nothing(capsys, words):
    code, said = refused(capsys, *words)
    assert code == 2 and "expected a whole number" in said


def test_an_interrupted_verb_says_so_in_a_line(capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="130"):
        main(interrupted)
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize(
    "words", [("show", "no.safetensors"), ("plan", "--params", "no.yaml"), ("plan", "--config", "{")], ids=" ".join
)
def test_what_fails_is_1(capsys, words):
    assert refused(capsys, *words)[0] == 1


def test_help_names_what_holds_where_nothing_is_given():
    made = Parser(prog="udd", description="Something.")
    made.add_argument("--epochs", default=300, help="of each network")
    made.add_argument("--json", action="store_true", help="as JSON")
    made.add_argument("--out", help="a file")
    made.add_argument("--seed", default=0, help="of the images")
    made.add_argument("--names", default=["a", "b"], help="by default all")
    text = " ".join(made.format_help().split())
    assert (
        "of each network (default: 300)" in text
        and "of the images (default: 0)" in text
        and text.count("(default") == 2
    )


@pytest.mark.parametrize("words", [(), ("plan", "--help"), ("--version",), ("nonsense",)], ids=" ".join)
def test_who_stops_reading_hears_no_error(words):
    """As `udd | head -1` does; here before anything is written. An error is told all the same."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "udd", *words]
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=buffered)
    os.close(writing)
    wrong = words == ("nonsense",)
    assert done.returncode == (2 if wrong else 141) and done.stderr.count("\n") == wrong


def test_an_interruption_while_a_verb_is_imported_is_a_line(capsys, monkeypatch):
    def interrupted(module: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    with pytest.raises(SystemExit, match="130"):
        run(["plan"])
    assert capsys.readouterr().err == "interrupted\n"
