"""Parameter files as people have them: keys twice, numbers for names, other encodings, ~ in paths, --config in JSON.
One line, or the right value."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny import config
from workspace import REPOSITORY, Workspace, tiny_params

from udd.config import plan
from udd.config.params import check, load, overlay
from udd.config.reading import read_mapping, typed
from udd.errors import UserError
from udd.runs.distilling import run

REPEATED = {
    "a data set": (
        "datasets:\n  digits: {kind: digits}\n  digits: {kind: digits, size: 32}\n",
        "datasets.digits: declared twice, in lines 2 and 3",
    ),
    "a section": ("seeds:\n  distill: [0]\n\nseeds: {}\n", "seeds: declared twice, in lines 1 and 4"),
    "in one line": ("distill: {outer: 1, inner: 2, outer: 3}\n", "distill.outer: declared twice, in lines 1 and 1"),
    "with quotes": ("udd: 1\n'udd': 2\n", "udd: declared twice, in lines 1 and 2"),
    "numbers": ("a:\n  10: 1\n  10: 2\n", "a.10: declared twice, in lines 2 and 3"),
    "in a list": ("a:\n- b: 1\n- b: 1\n  b: 2\n", "a.1.b: declared twice, in lines 3 and 4"),
    "in JSON": ('{"a": 1,\n"a": 2}', "a: declared twice, in lines 1 and 2"),
}


def written(path: Path, text: str | bytes) -> Path:
    """A file of that content."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refusal(call, *arguments) -> str:
    """The one line that a call refuses with."""
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", REPEATED)
def test_a_key_declared_twice_is_named_with_both_lines(tmp_path: Path, name: str) -> None:
    text, said = REPEATED[name]
    assert said in refusal(read_mapping, written(tmp_path / "over.yaml", text))


def test_an_anchor_merged_and_overridden_is_no_repetition(tmp_path: Path) -> None:
    """YAML's own way to share values; a mapping that stands in itself ends, too."""
    found = read_mapping(written(tmp_path / "a.yaml", "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: &c {d: *c}\n"))
    assert found["b"] == {"x": 3, "y": 2}


NOT_UTF8 = {
    "Latin-1": ("# Größe\na: 1\n".encode("latin-1"), "found byte 0xf6 in line 1"),
    "Latin-1 further down": ("a: 1\n# Größe\n".encode("latin-1"), "found byte 0xf6 in line 2"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "found UTF-16"),
    "UTF-16, big end first": (b"\xfe\xff" + "a: 1\n".encode("utf-16-be"), "found UTF-16"),
}


@pytest.mark.parametrize("name", NOT_UTF8)
def test_another_encoding_is_named(tmp_path: Path, name: str) -> None:
    data, said = NOT_UTF8[name]
    line = refusal(load, [written(tmp_path / "params.yaml", data)])
    assert said in line and "expected text in UTF-8" in line and "params.yaml" in line


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    assert read_mapping(written(tmp_path / "a.yaml", b"\xef\xbb\xbfa: 1\n")) == {"a": 1}


UNREADABLE = {
    "a date that is none": "a: 2024-13-45\n",
    "a list": "- a\n",
    "nothing": "",
    "two documents": "a: 1\n---\na: 2\n",
    "a tab": "a:\n\tb: 1\n",
}
UNREADABLE |= {"a tag": "a: !!python/object:os.system {}\n", "control": "a: \x01\n"}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_mapping_is_one_line(tmp_path: Path, name: str) -> None:
    assert "over.yaml" in refusal(read_mapping, written(tmp_path / "over.yaml", UNREADABLE[name]))


@given(
    st.dictionaries(
        st.text("abc", min_size=1), st.integers() | st.booleans() | st.none() | st.lists(st.floats(allow_nan=False))
    )
)
def test_what_is_written_once_is_read_as_it_is(tmp_path_factory: pytest.TempPathFactory, value: dict) -> None:
    path = written(tmp_path_factory.mktemp("once") / "a.yaml", yaml.safe_dump(value))
    assert read_mapping(path) == value


@pytest.mark.parametrize(
    ("key", "said"),
    [(10, "write ipc10"), (True, "YAML reads as bool"), (None, "YAML reads as NoneType"), (1.5, "as float")],
)
def test_a_key_that_is_no_text_is_refused(key: object, said: str) -> None:
    params = overlay(tiny_params(), {})
    params["datasets"] = {"digits": {"kind": "digits", key: {"distill": {"outer": 3}}}}
    line = refusal(check, params)
    assert line.startswith("params.yaml: datasets.digits: found the key") and said in line


def test_home_and_variables_stand_in_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """In results, data_root and the variable UDD_DATA; what is not known here is refused, never made as a folder."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("SCRATCH", "/scratch")
    monkeypatch.delenv("UDD_DATA", raising=False)
    found = check(tiny_params() | {"results": "$SCRATCH/r", "data_root": "~/x"})
    assert (found["results"], plan.data_root(found)) == ("/scratch/r", Path("/home/me/x"))
    monkeypatch.setenv("UDD_DATA", "${SCRATCH}/data")
    assert plan.data_root(found) == Path("/scratch/data")
    for wrong in ("$NO_SUCH_VARIABLE/x", "~nobodyatall/x"):
        assert f"data_root: found '{wrong}'" in refusal(check, tiny_params() | {"data_root": wrong})
    flowers = {"flowers": {"kind": "folder", "path": "~/flowers", "size": 8}}
    assert "datasets.flowers.path: found '~/flowers'" in refusal(check, overlay(tiny_params(), {"datasets": flowers}))


@pytest.mark.parametrize("folder", ["a{b}", "a}", "it's", 'the "new"', "a\\b", "a\nb"])
def test_a_folder_that_snakemake_cannot_name_is_refused(folder: str) -> None:
    assert "without braces, quotes" in refusal(check, tiny_params() | {"results": folder})


def test_texts_of_the_command_line_become_what_yaml_reads() -> None:
    given = {
        "seeds": {"distill": ["0", "1"]},
        "tables": {"main": "null"},
        "udd": {"cfc": "false", "policy": "vote: x"},
        "distill": {"image_lr": "1e-4"},
    }
    found = {
        "seeds": {"distill": [0, 1]},
        "tables": {"main": None},
        "udd": {"cfc": False, "policy": "vote: x"},
        "distill": {"image_lr": "1e-4"},
    }
    assert typed(given) == found


@pytest.fixture
def repository(tmp_path: Path) -> Workspace:
    """The workflow's files alone; nothing is run."""
    for name in ("Snakefile", "udd", "workflow", "profiles", "experiments"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_params()))
    return Workspace(tmp_path)


def said(repository: Workspace, *options: str) -> str:
    """The one line by which Snakemake refuses."""
    out = repository.run("snakemake", "-n", *options, fails=True)
    (line,) = [line for line in out.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in out and not (repository.path / "results").exists()
    return line


def test_snakemake_refuses_them_too(repository: Workspace) -> None:
    """In params.yaml and in what is laid over it; and to fill the repository with what belongs into a folder."""
    (repository.path / "over.yaml").write_text("seeds:\n  distill: [0]\nseeds: {}\n")
    assert "over.yaml: seeds: declared twice, in lines 1 and 3" in said(repository, "--configfile", "over.yaml")
    (repository.path / "over.yaml").write_text("datasets: {digits: {10: {distill: {outer: 3}}}}\n")
    assert "write ipc10" in said(repository, "--configfile", "over.yaml")
    assert "without braces" in said(repository, "--config", "results=a{b}")
    assert "run with --directory" in said(repository, "--config", "results=.")
    (repository.path / "params.yaml").write_bytes("# Größe\n".encode("latin-1"))
    assert "found byte 0xf6 in line 1" in said(repository)


def test_config_in_json_or_yaml_is_read_with_its_types(repository: Workspace) -> None:
    """Snakemake itself reads every number in it as text."""
    for spelt in ('{"distill": [0, 1]}', "{distill: [0, 1]}"):
        assert repository.planned("--config", f"seeds={spelt}")["distill"] == 6
    assert "found 'x', expected a value of type integer" in said(repository, "--config", "seeds={distill: [x]}")


def test_a_folder_with_spaces_and_a_home_are_planned(repository: Workspace) -> None:
    target = os.path.join(os.path.expanduser("~"), "my results", "data", "digits.json")
    assert repository.planned(target, "--config", "results=~/my results") == {"data": 1}


@pytest.mark.parametrize(("key", "value"), [("net_lr", 1e18), ("net_lr", 1e4), ("image_lr", 1e30)])
def test_a_loss_that_is_not_finite_names_the_rate_that_was_too_high(argv, key: str, value: float) -> None:
    """The networks train on real images: where their weights have gone astray it was net_lr, else the pixels' own
    rate."""
    with pytest.raises(UserError, match=f"not finite at iteration .*; lower {key} and run again"):
        run(argv(config(**{key: value, "inner": 4})))


def test_json_may_be_indented_with_tabs(tmp_path: Path):
    (tmp_path / "over.json").write_text('{\n\t"a": [1,\t{"b": null}]}')
    assert read_mapping(tmp_path / "over.json") == {"a": [1, {"b": None}]}
