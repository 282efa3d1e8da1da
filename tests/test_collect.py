"""Records become CSV and metrics: all that is planned, nothing of another configuration, orphans listed."""

import csv
import json
import statistics
from pathlib import Path

import pytest
import records
from tiny import ROOT

from udd.config import files, plan, requested
from udd.config.params import load
from udd.errors import UserError
from udd.reports import collect, tables
from udd.reports.figures import draw

PARAMS = ["params.yaml", "experiments/demo.yaml"]


@pytest.fixture
def params():
    found = load(PARAMS)
    request = {"datasets": ["digits"], "ipc": [1], "variants": ["idc", "udd", "full"]}
    asked = {"tables": {"main": request}, "figures": {"utilization": request | {"variants": ["udd"]}}}
    return found | asked | {"seeds": {"distill": [0, 1], "evaluate": [0, 1]}}


@pytest.fixture
def results(params, tmp_path):
    records.write_all(params, tmp_path)
    return tmp_path


def read_csv(path: Path) -> list[dict]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def edit(path: Path, change) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def test_every_planned_record_is_a_line(params, results):
    assert "10 of 10 planned evaluations, 3 of 3 measurements of mUE" in collect.collect(params, results, results)
    rows = read_csv(results / "accuracy.csv")
    assert len(rows) == 2 * len(requested.all_records(params)) == 10
    assert list(rows[0]) == collect.ACCURACY
    first = json.loads((results / "accuracy/digits/ipc1/idc/seed0/idc/convnet3.json").read_text())["networks"]["0"]
    assert float(rows[0]["accuracy"]) == first["accuracy"]
    assert {row["schedule_percent"] for row in rows if row["variant"] == "full"} == {""}
    steps = params["distill"]["outer"] * params["distill"]["inner"]
    assert [float(row["schedule_percent"]) for row in rows if row["variant"] == "udd"] == pytest.approx(
        [100 * steps / 200_000] * 4
    )
    assert len(read_csv(results / "utilization.csv")) == 3


def test_how_old_the_networks_were_that_a_set_met(params):
    """156 SGD steps of fresh ones at inner 40, 250 images in batches of 64, as they are met before each training; of a
    cache its last age; none where a method trains them on the set."""
    distill = params["distill"] | {
        "inner": 40,
        "net_images": 250,
        "net_batch": 64,
        "pretrain_epochs": 0,
        "networks": "fresh",
    }
    assert collect.network_steps({"method": "udd", "distill": distill}) == 156
    assert collect.network_steps({"method": "dm", "distill": distill | {"inner": 1}}) == 0
    cached = distill | {"networks": "cached", "cache_ages": 20, "cache_spacing": 3}
    assert collect.network_steps({"method": "idc", "distill": cached}) == 19 * 3 * 4
    assert collect.network_steps({"method": "dsa", "distill": distill}) is None
    assert collect.network_steps({"method": "udd", "distill": distill | {"pretrain_epochs": 1}}) is None
    assert collect.network_steps({"method": "random"}) is None


def test_an_expert_is_met_no_later_than_its_last_start_is_followed():
    """MTT's last starts of 2, 20 and 40 epochs (of 196 steps of 256 images), each followed over `expert_ages`."""
    params = load(PARAMS[:1])
    found = [plan.set_config(params, plan.Cell("cifar10", ipc, "mtt"), 0) for ipc in (1, 10, 50)]
    assert (
        [collect.network_steps(each) for each in found]
        == [(each["mtt"]["last_start"] - 1 + each["mtt"]["expert_ages"]) * 196 for each in found]
        == [588, 4116, 8036]
    )
    assert collect.network_steps(plan.set_config(params, plan.Cell("cifar10", 10, "udd"), 0)) == 99 * 32  # fresh
    short = found[2] | {"distill": found[2]["distill"] | {"cache_ages": 4}}
    assert collect.network_steps(short) == 3 * 196  # a way ends with the network's last age


def test_metrics_are_means_a_person_can_compare(params, results):
    collect.collect(params, results, results)
    found = json.loads((results / "metrics.json").read_text())["digits"]
    rows = [float(row["accuracy"]) for row in read_csv(results / "accuracy.csv") if row["variant"] == "udd"]
    expected = {"mean": round(statistics.fmean(rows), 4), "std": round(statistics.stdev(rows), 4), "n": 4}
    assert found["ipc1"]["udd"]["convnet3"] == expected
    assert found["ipc1"]["udd"]["mue"]["n"] == 2
    assert found["ipcall"]["full"]["convnet3"]["n"] == 2


def test_missing_records_are_absent_and_counted(params, results):
    (results / "accuracy/digits/ipc1/udd/seed0/idc/convnet3.json").unlink()
    edit(results / "accuracy/digits/ipc1/idc/seed0/idc/convnet3.json", lambda found: found["networks"].pop("1"))
    assert "7 of 10" in collect.collect(params, results, results)
    assert len(read_csv(results / "accuracy.csv")) == 7


def test_a_network_that_is_not_planned_is_not_collected(params, results):
    edit(
        results / "accuracy/digits/ipc1/udd/seed1/idc/convnet3.json",
        lambda found: found["networks"].update({"7": found["networks"]["0"]}),
    )
    assert "10 of 10" in collect.collect(params, results, results)


def test_nothing_at_all_is_three_empty_files(params, tmp_path):
    assert "0 of 10" in collect.collect(params, tmp_path, tmp_path)
    assert read_csv(tmp_path / "accuracy.csv") == [] and json.loads((tmp_path / "metrics.json").read_text()) == {}


def test_rows_of_released_records_are_not_lost_where_none_is_here(params, results, tmp_path):
    collect.collect(params, results, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="accuracy.csv has 10 rows, which would be lost; bring their records first"):
        collect.collect(params, tmp_path / "none", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_rows_that_go_are_counted(params, results):
    assert "fewer" not in collect.collect(params, results, results)
    (results / "accuracy/digits/ipc1/udd/seed1/idc/convnet3.json").unlink()
    assert collect.collect(params, results, results).endswith("accuracy.csv: 2 rows fewer than before")


def test_a_method_that_the_package_does_not_have_has_no_published_length(params):
    config = plan.set_config(params, plan.Cell("digits", 1, "udd"), 0)
    assert collect.schedule_percent(config) is not None
    assert collect.schedule_percent(config | {"method": "ours"}) is None


def test_a_record_of_another_configuration_is_refused_and_nothing_written(params, results):
    path = results / "accuracy/digits/ipc1/udd/seed1/idc/convnet3.json"
    edit(path, lambda found: found["config"]["evaluate"].update(epochs=7))
    with pytest.raises(UserError, match=r"convnet3.json: of another configuration: evaluate.epochs is 7, planned \d+"):
        collect.collect(params, results, results)
    assert not (results / "accuracy.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.update(format=0), "not a result of format 2"),
        (lambda found: found.pop("networks"), "networks is None, expected a result for each network"),
        (lambda found: found.update(networks=[1]), "networks is .1., expected a result for each network"),
        (lambda found: found["networks"].update({"0": 5}), "accuracy of network 0 is None, expected a number"),
        (lambda found: found.update(steps="7"), "steps is '7', expected a number"),
        (
            lambda found: found["networks"]["0"].update(accuracy=None),
            "accuracy of network 0 is None, expected a number",
        ),
        (lambda found: found["config"]["set"]["udd"].pop("policy"), "set.udd.policy is None, planned 'jitter'"),
    ],
)
def test_a_record_that_is_not_whole_is_refused(params, results, change, message):
    edit(results / "accuracy/digits/ipc1/udd/seed0/idc/convnet3.json", change)
    with pytest.raises(UserError, match=message):
        collect.collect(params, results, results)


def test_a_measurement_of_another_configuration_is_refused(params, results):
    edit(
        results / "utilization/digits/ipc1/udd/seed0.json",
        lambda found: found["config"]["utilization"].update(epochs=9),
    )
    with pytest.raises(UserError, match="utilization.epochs is 9"):
        collect.collect(params, results, results)


def test_orphans_are_listed_and_left_alone(params, results):
    dropped = params | {"tables": {"main": params["tables"]["main"] | {"variants": ["udd", "full"]}}}
    report = collect.collect(dropped, results, results)
    assert "2 orphans" in report and "ipc1/idc/seed1/idc/convnet3.json" in report
    assert len(list((results / "accuracy/digits/ipc1/idc").rglob("*.json"))) == 2


def test_what_one_table_does_not_ask_for_is_no_orphan(params, results, tmp_path):
    asked = params | {"tables": {"main": params["tables"]["main"] | {"variants": ["udd", "full"]}}}
    assert "orphan" not in collect.collect(asked, results, tmp_path / "collected")


@pytest.mark.parametrize("command", [collect.run, tables.run, draw.run])
def test_an_experiment_does_not_fill_the_repository(command, tmp_path, monkeypatch):
    """Its results are those of `--directory`, which a verb by hand does not have."""
    (tmp_path / "Snakefile").touch()
    monkeypatch.setattr(files, "REPOSITORY", tmp_path.resolve())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="results: it is the repository itself.*--results"):
        command(["--params", *(str(ROOT / path) for path in PARAMS)])
    assert [path.name for path in tmp_path.iterdir()] == ["Snakefile"]


def test_the_command_takes_all_parameters_as_json(params, results, tmp_path, capsys):
    collect.run(["--config", json.dumps(params), "--results", str(results), "--out", str(tmp_path / "out")])
    assert "10 of 10" in capsys.readouterr().out
    before = (tmp_path / "out/accuracy.csv").read_bytes()
    collect.run(["--config", json.dumps(params), "--results", str(results), "--out", str(tmp_path / "out")])
    assert (tmp_path / "out/accuracy.csv").read_bytes() == before
