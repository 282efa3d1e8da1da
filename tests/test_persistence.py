"""Snakemake's records, as they are read after whatever a killed run left there."""

import json

import pytest

from udd import persistence
from udd.persistence import MEMORY, METADATA, all_present, keep, put, read_memory


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put("results/a.json", {"rule": "data"})


@pytest.mark.parametrize("name", [".YWJj.1234-0a0b0c0d.part", ".YWJjZA.1-0.part", ".x.part"])
def test_what_a_killed_write_left_is_no_record(tmp_path, name):
    (METADATA / name).write_text("{")
    (METADATA / "@long").mkdir()
    (METADATA / "@long" / name).write_text("{")
    assert all_present() == {"results/a.json": {"rule": "data"}}
    keep(tmp_path / "snakemake.jsonl")
    assert len((tmp_path / "snakemake.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"records": {}}', '{"records": [], "digests": {}}'])
def test_a_memory_that_is_none_is_forgotten(text):
    MEMORY.write_text(text)
    assert read_memory() == {"records": {}, "digests": {}}


def test_a_memory_that_is_whole_is_read():
    found = {"records": {"a": {"0": {"rule": "data"}}}, "digests": {"a": [1, 2, "0"]}}
    MEMORY.write_text(json.dumps(found))
    assert read_memory() == found


OLD, NEW = {"rule": "old"}, {"rule": "new"}


@pytest.mark.parametrize(
    ("here", "now", "fresh", "versions", "report", "right"),
    [
        (None, OLD, False, {"0": NEW}, False, "listed"),
        ("0", OLD, True, {"0": NEW}, False, None),
        ("0", OLD, False, {"0": NEW}, False, NEW),
        ("1", OLD, False, {"0": OLD}, False, None),
        ("1", OLD, False, {"0": OLD}, True, persistence.BY_HAND),
        ("1", None, False, {}, True, persistence.BY_HAND),
        ("1", OLD, False, {"0": NEW}, True, None),
    ],
    ids=["absent", "just written", "known", "unknown", "a report by hand", "a report of nobody", "another's"],
)
def test_the_record_in_force_is_that_of_the_content(here, now, fresh, versions, report, right):
    listed = {"rule": "listed"}
    found = persistence.in_force(here, now, fresh, versions, listed, report)
    assert found == (listed if right == "listed" else right)


def test_what_failed_has_its_record_again_and_else_none_that_fits(tmp_path):
    (tmp_path / "results").mkdir()
    for name in "ab":
        (tmp_path / f"results/{name}.json").write_text(name)
    put("results/a.json", OLD | {"endtime": 1000.5})
    keep(tmp_path / "snakemake.jsonl")
    for name in "abc":
        put(f"results/{name}.json", NEW)
    for name in "abc":
        persistence.give_back(f"results/{name}.json")
    found = all_present()
    assert found["results/a.json"] == OLD | {"endtime": 1000.5} and found["results/c.json"] == NEW  # c is not here
    assert (tmp_path / "results/a.json").stat().st_mtime == 1000.5
    assert found["results/b.json"] == persistence.BY_HAND
