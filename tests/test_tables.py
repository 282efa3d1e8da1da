"""Tables: what is measured, what is compared, the command."""

import statistics
from pathlib import Path
from typing import Any

import pytest
import records
from grouped import config, csv_rows, evaluation_of, groups
from scipy import stats

from udd.config import plan
from udd.config.drawings import table_config
from udd.config.params import load
from udd.errors import UserError
from udd.reports import render, tables
from udd.reports.captions import caption, footnotes
from udd.reports.cells import Measured
from udd.reports.measured import Key, read
from udd.reports.quoted import Quoted


def test_measured_and_quoted_figures_have_rows_of_their_own():
    made = tables.table(config("main"), groups(idc=[60, 61, 62, 63], udd=[64, 65, 66, 67]))
    by_source: dict[Any, dict[str, Any]] = {row[3]: dict(zip(made.headings, row, strict=True)) for row in made.rows}
    assert by_source["measured"]["UDD"] == Measured(65.5, statistics.stdev([64, 65, 66, 67]), 4, True)
    assert by_source["measured"]["IDC"].best is False and by_source["measured"]["n"] == "4"
    assert by_source["idc_best"]["UDD"].mean == 67
    assert by_source["paper†"]["UDD"].accuracy == 68.9 and isinstance(by_source["paper†"]["MTT"], Quoted)
    assert by_source["measured"]["MTT"] is None


def test_the_best_and_the_seconds_are_those_of_all_runs():
    rows = csv_rows(tables.table(config("main"), groups(udd=[60, 60, 60, 60])))
    (found,) = (row for row in rows if row["source"] == "measured")
    assert (found["accuracy"], found["std"], found["idc_best"], found["seconds"]) == ("60.0", "0.0", "61.5", "6.0")
    assert float(found["idc_best_std"]) == pytest.approx(statistics.stdev([61, 62, 61, 62]), abs=1e-4)


def test_a_cell_that_a_data_set_leaves_out_does_not_count_as_not_run():
    params = load(["params.yaml"])
    at = {"datasets": ["cifar100"], "variants": ["random", "random-x13"]}
    both = at | {"ipc": [10, 50]}
    asked = params | {
        "tables": {"main": both, "cost": both, "policy": at | {"ipc": [50]}, "jitter": at | {"ipc": [10]}}
    }
    shown = {name: tables.table(table_config(asked, name), {}).shown for name in asked["tables"]}
    for name in ("main", "cost"):
        assert [(key.ipc, key.variant) for key, _ in shown[name]] == [
            ("10", "random"),
            ("10", "random-x13"),
            ("50", "random"),
        ]
    assert [key.variant for key, _ in shown["policy"]] == ["random"]
    main = table_config(asked, "main")
    assert "Left out (--): CIFAR-100 IPC 50: Random" in " ".join(footnotes(main, tables.table(main, {})))
    assert "without" not in table_config(asked, "jitter")  # where nothing is left out, as before


def test_an_ablation_shows_the_paired_difference_to_udd():
    asked = config("policy", variants=["udd", "udd-gradient", "udd-vote"])
    made = tables.table(asked, groups(udd=[60, 61, 62, 63], udd_gradient=[61, 62, 65, 66]))
    rows = {row["variant"]: row for row in csv_rows(made) if row["source"] != "quoted"}
    expected = stats.ttest_rel([61.5, 65.5], [60.5, 62.5]).confidence_interval(0.95)
    assert float(rows["udd-gradient"]["difference"]) == 2.0 and rows["udd-gradient"]["compared_with"] == "udd"
    assert float(rows["udd-gradient"]["low"]) == pytest.approx(expected.low, abs=1e-3)
    assert (rows["udd-gradient"]["pairs"], rows["udd-gradient"]["pairs_of"]) == ("2", "seeds")
    assert rows["udd"]["difference"] == "" and rows["udd-vote"]["source"] == "not run"
    assert "| vote of the three" in render.markdown(asked, made)


def test_the_loss_is_compared_with_its_absence():
    # The last is compared with nothing: both have CFC
    asked = config("cfc", variants=["idc", "idc-cfc", "udd-nocfc", "udd", "udd-plus"])
    made = tables.table(
        asked, groups(idc=[60, 60], idc_cfc=[61, 62], udd_nocfc=[63, 63], udd=[64, 65], udd_plus=[66, 67])
    )
    assert {key.variant: partner for key, (partner, _) in made.differences.items()} == {
        "idc-cfc": "idc",
        "udd": "udd-nocfc",
    }


def test_the_full_data_is_a_bound_and_never_the_best():
    asked = config("main", variants=["idc", "udd", "full"])
    found = groups(idc=[60], udd=[65]) | {
        Key("cifar10", "all", "full", "epochs300", "convnet3"): [evaluation_of(0, 0, 88.0, None)]
    }
    for each in (asked, config("policy", variants=["idc", "udd", "full"])):
        cells = [cell for row in tables.table(each, found).rows for cell in row if isinstance(cell, Measured)]
        assert [cell.best for cell in cells if cell.mean in (60, 65, 88)] == [False, True, False]


def test_a_coreset_of_more_images_is_no_rival_of_sets():
    for name in ("main", "policy", "cost"):
        asked = config(name, variants=["random-x13", "idc", "udd"]) | {
            "times": {"random-x13": ["random", 13]},
            "costs": [],
        }
        made = tables.table(asked, groups(random_x13=[90], idc=[60], udd=[65]))
        best = {cell.mean for row in made.rows for cell in row if isinstance(cell, Measured) and cell.best}
        assert best == {65.0}, name
        assert "full data and larger sets apart" in caption(asked, made)


def test_random_images_stand_in_every_table_at_equal_bytes_and_as_many_as_are_seen():
    params = load(["params.yaml"])
    for name in params["tables"]:
        found = table_config(params, name)
        assert "random" in found["request"]["variants"] and 13 in {times for _, times in found["times"].values()}, name


def test_networks_are_rows_where_there_are_several():
    asked = config("architectures", architectures=["convnet3", "alexnet"])
    made = tables.table(asked, groups(architecture="alexnet", udd=[50, 51]))
    assert [row[3] for row in made.rows] == ["ConvNet-3", "", "AlexNet", "", ""]
    assert "KIP" in made.headings


def test_with_one_check_up_nothing_is_the_best_of_several():
    one = {key: [run._replace(checkups=1) for run in runs] for key, runs in groups(idc=[60], udd=[61]).items()}
    made = tables.table(config("main"), one)
    assert "idc_best" not in [row[3] for row in made.rows] and "idc_best" not in caption(config("main"), made)


@pytest.fixture
def written(tmp_path) -> Path:
    return records.write_tables(tmp_path)


def test_the_command_writes_every_table_with_the_same_bytes(written):
    asked = load(["params.yaml", "experiments/demo.yaml"])["tables"]
    assert len(asked) > 2 and {path.name for path in written.iterdir()} == {
        f"{name}.{suffix}" for name in asked for suffix in ("tex", "md", "csv")
    }
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    tables.run(["--params", "params.yaml", "experiments/demo.yaml", "--accuracy", str(written.parent / "accuracy.csv")])
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before


def test_the_command_takes_one_configuration(written, tmp_path, capsys):
    asked = plan.canonical(config("main", datasets=["digits"], ipc=[1]))
    tables.run(
        ["--config", asked, "--accuracy", str(written.parent / "accuracy.csv"), "--out-dir", str(tmp_path / "one")]
    )
    assert len(list((tmp_path / "one").iterdir())) == 3
    tables.run(
        [
            "--params",
            "params.yaml",
            "experiments/demo.yaml",
            "--accuracy",
            str(written.parent / "accuracy.csv"),
            "--show",
            "main",
        ]
    )
    assert capsys.readouterr().out == (written / "main.md").read_text()


def test_the_command_refuses_what_it_does_not_know(tmp_path):
    (tmp_path / "accuracy.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="not a file of udd.reports.collect"):
        read(tmp_path / "accuracy.csv")
    with pytest.raises(UserError, match="no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(UserError, match="table 'tabel': unknown"):
        tables.table(config("tabel"), {})
    with pytest.raises(UserError, match="not under tables"):
        tables.configs(load(["params.yaml"]), "tabel")
