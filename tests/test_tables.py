"""Tables: what is quoted and what is measured, what is compared, what they say of themselves, the command."""

import re
import statistics
from pathlib import Path
from typing import Any

import pytest
import records
from grouped import config, csv_rows, evaluation_of, groups
from scipy import stats

from udd.config import plan
from udd.config.drawings import COST, table_config
from udd.config.params import load
from udd.errors import UserError
from udd.reports import cells, quoted, render, tables
from udd.reports.captions import caption, footnotes, letters
from udd.reports.cells import Measured
from udd.reports.layouts import LAYOUTS
from udd.reports.measured import Evaluation, Key, read
from udd.reports.quoted import Quoted


def test_measured_and_quoted_figures_have_rows_of_their_own():
    made = tables.table(config("main"), groups(idc=[60, 61, 62, 63], udd=[64, 65, 66, 67]))
    by_source: dict[Any, dict[str, Any]] = {row[3]: dict(zip(made.headings, row, strict=True)) for row in made.rows}
    assert by_source["measured"]["UDD"] == Measured(65.5, statistics.stdev([64, 65, 66, 67]), 4, True)
    assert by_source["measured"]["IDC"].best is False and by_source["measured"]["n"] == "4"
    assert by_source["idc_best"]["UDD"].mean == 66.5
    assert by_source["paper†"]["UDD"].accuracy == 68.9 and isinstance(by_source["paper†"]["MTT"], Quoted)
    assert by_source["measured"]["MTT"] is None


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != COST])
def test_a_quoted_figure_cannot_be_taken_for_a_measured_one(name):
    params = load(["params.yaml"])
    asked = table_config(params, name)
    made = tables.table(asked, {})
    tex, markdown = render.tex(asked, made), render.markdown(asked, made)
    figures = [cell for row in made.rows for cell in row if isinstance(cell, Quoted)]
    assert figures
    assert not re.search(r"\$\d+\.\d(\\,|\$)", tex) and r"\mathbf" not in tex  # nothing upright, nothing bold
    assert len(re.findall(r"\\mathit\{[\d.]+\}(?:\\,\{\\scriptstyle\\pm\\,[\d.]+\})?\^\{\\dagger", tex)) == len(figures)
    assert len(re.findall(r"\*\d+\.\d( ± [\d.]+)?\*†", markdown)) == len(figures)
    assert "quoted from the paper, not measured here" in markdown and "Nothing has been run yet" in markdown
    assert {row["source"] for row in csv_rows(made)} == {"quoted", "not run"}


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


def test_other_data_is_not_shown_beside_the_papers_figures():
    asked = config("policy", datasets=["digits"], variants=["udd", "udd-gradient"])
    made = tables.table(asked, groups("digits", udd=[60, 61], udd_gradient=[62, 63]))
    text = render.markdown(asked, made)
    assert not made.quoted and "†" not in text and "its own are not shown beside others" in text


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


def test_the_share_of_the_schedule_is_told_where_it_was_cut():
    assert "of the schedule" not in caption(config("main"), tables.table(config("main"), groups(udd=[60])))
    cut = tables.table(config("main"), groups(udd=[60], schedule=0.35))
    assert "Distilled for 0.35 % of the schedule, on networks of at most 160 SGD steps." in caption(config("main"), cut)


def test_a_variant_that_is_another_paper_s_own_says_so():
    asked = config("main", variants=["idc", "udd-plus"])
    assert "udd-plus: IDC's own multi decode (Kim et al. 2022): the whole image and its quarters." in footnotes(
        asked, tables.table(asked, groups(udd_plus=[60]))
    )
    assert not any("multi decode" in line for line in footnotes(asked, tables.table(asked, groups(idc=[60]))))


def test_captions_state_n_and_the_kind_of_deviation():
    text = caption(config("main"), tables.table(config("main"), groups(idc=[60, 61, 62, 63], udd=[64, 65, 66, 67])))
    assert "n = 4 (2 sets, 2 networks on each)" in text and "sample standard deviation" in text
    uneven = {key: [*runs, evaluation_of(2, 0, 62)] for key, runs in groups(udd=[64, 65, 66, 67]).items()}
    assert "A cell has n = 5 (3 sets, 1-2 networks on each)." in caption(
        config("main"), tables.table(config("main"), uneven)
    )


def test_footnotes_say_what_a_set_takes():
    made = groups(idc=[60], udd=[64])
    assert "Stored, in kB a set: CIFAR-10 IPC 10 1." in footnotes(config("main"), tables.table(config("main"), made))
    sizes = {
        key: [run._replace(stored_bytes=123000 + 400 * (key.variant == "udd")) for run in runs]
        for key, runs in made.items()
    }
    assert "Stored, in kB a set: CIFAR-10 IPC 10 123-123.4." in footnotes(
        config("main"), tables.table(config("main"), sizes)
    )


def test_a_coreset_of_more_images_says_so_and_counts_for_no_other():
    made = groups(random=[30], random_x4=[50], idc=[60])
    made |= {
        key: [run._replace(stored_images=40, stored_bytes=4000) for run in runs]
        for key, runs in made.items()
        if key.variant == "random-x4"
    }
    asked = config("main", variants=["random-x4", "random", "idc"]) | {"times": {"random-x4": ["random", 4]}}
    table = tables.table(asked, made)
    assert table.headings[4:6] == ["Random", "Random ×4"]
    said = footnotes(asked, table)
    assert any(line.startswith("Random ×4: 4 x IPC real images a class: as many as networks see") for line in said)
    assert "Stored, in kB a set: CIFAR-10 IPC 10 1." in said and r"Random $\times$4" in render.tex(asked, table)
    assert table_config(load(["params.yaml"]), "imagenet")["times"] == {
        "random-x9": ["random", 9],
        "random-x13": ["random", 13],
    }
    plain = load(["params.yaml"])
    assert "times" not in table_config(
        plain | {"tables": {"cfc": plain["tables"]["cfc"] | {"variants": ["idc"]}}}, "cfc"
    )
    rows = tables.table(
        config("policy", variants=["random-x4", "udd"]) | {"times": {"random-x4": ["random", 4]}},
        made | groups(udd=[64]),
    ).rows
    assert [row[2] for row in rows] == ["Random ×4", "data jittering (default)"]


def test_one_file_asks_for_every_column_of_the_papers_tables():
    params = load(["params.yaml", "experiments/every-method.yaml"])
    for name in ("main", "architectures", "kip", "imagenet"):
        assert {method for _, _, method, _ in quoted.read(name)} <= set(params["tables"][name]["variants"])
    made = {plan.method(params, name) for name in plan.distilled(params)}
    assert made == {
        plan.method(params, name)
        for table in ("main", "kip")
        for name in params["tables"][table]["variants"]
        if name in plan.distilled(params)
    }
    assert plan.set_config(params, plan.Cell("cifar100", 1, "kip-128"), 0)["distill"]["batch_real"] == 50


def test_random_images_stand_in_every_table_at_equal_bytes_and_as_many_as_are_seen():
    params = load(["params.yaml"])
    for name in params["tables"]:
        found = table_config(params, name)
        assert "random" in found["request"]["variants"] and 13 in {times for _, times in found["times"].values()}, name


def test_captions_say_how_the_networks_were_trained():
    made = groups(udd=[64])
    assert "Networks trained for 1000 epochs. " in caption(config("main"), tables.table(config("main"), made))
    short = {key: [run._replace(epochs=60, precision="bfloat16") for run in runs] for key, runs in made.items()}
    assert "Networks trained for 60 epochs in bfloat16. " in caption(
        config("main"), tables.table(config("main"), short)
    )
    both = {key: [runs[0], *short[key][1:], short[key][0]] for key, runs in made.items()}
    assert "Networks trained for 60/1000 epochs in bfloat16 and float32. " in caption(
        config("main"), tables.table(config("main"), both)
    )
    assert "Networks trained" not in caption(config("main"), tables.table(config("main"), {}))


def test_networks_are_rows_where_there_are_several():
    asked = config("architectures", architectures=["convnet3", "alexnet"])
    made = tables.table(asked, groups(architecture="alexnet", udd=[50, 51]))
    assert [row[3] for row in made.rows] == ["ConvNet-3", "", "AlexNet", "", ""]
    assert "KIP" in made.headings


def two_protocols() -> dict[Key, list[Evaluation]]:
    """IDC and UDD by `idc` (four check-ups, 1000 epochs) and by `steps` (one check-up, 50 epochs)."""
    found: dict[Key, list[Evaluation]] = {}
    for key, runs in groups(idc=[60, 61], udd=[64, 65]).items():
        found[key] = runs
        found[key._replace(protocol="steps")] = [
            run._replace(accuracy=run.accuracy - 10, checkups=1, epochs=50, steps=500) for run in runs
        ]
    return found


def test_two_protocols_are_rows_of_a_grid_and_the_papers_figures_stand_once():
    asked = config("main", protocols=["idc", "steps"])
    made = tables.table(asked, two_protocols())
    assert made.headings[3] == "Protocol"
    rows: list[dict[str, Any]] = [dict(zip(made.headings, row, strict=True)) for row in made.rows]
    assert [(row["Protocol"], row["Source"]) for row in rows] == [
        ("idc", "measured"),
        ("", "idc_best"),
        ("", "paper†"),
        ("steps", "measured"),
    ]
    assert rows[0]["UDD"].mean == 64.5 and rows[3]["UDD"].mean == 54.5 and rows[3]["UDD"].best
    lines = [
        (row["variant"], row["protocol"], row["accuracy"], row["steps"])
        for row in csv_rows(made)
        if row["source"] == "measured"
    ]
    assert lines == [
        ("idc", "idc", "60.5", "2000"),
        ("udd", "idc", "64.5", "2000"),
        ("idc", "steps", "50.5", "500"),
        ("udd", "steps", "54.5", "500"),
    ]
    text = caption(asked, made)
    assert (
        "protocols idc, steps" in text
        and "Networks trained for 50/1000 epochs." in text
        and "the best of 4 check-ups" in text
    )
    assert "SGD steps of a network: IDC: 500/2000; UDD: 500/2000." in footnotes(asked, made)


def test_two_protocols_are_groups_of_an_ablation_and_compared_each_by_itself():
    asked = config("policy", variants=["udd", "udd-gradient"], protocols=["idc", "steps"])
    found = groups(udd=[60, 61, 62, 63], udd_gradient=[61, 62, 65, 66])
    found |= {
        key._replace(protocol="steps"): [run._replace(accuracy=50.0, steps=500) for run in runs]
        for key, runs in found.items()
    }
    made = tables.table(asked, found)
    rows = [dict(zip(made.headings, row, strict=True)) for row in made.rows]
    assert [(row["Protocol"], row["Steps"]) for row in rows] == [("idc", "2000")] * 2 + [("steps", "500")] * 2
    assert {key.protocol: found.mean for key, (_, found) in made.differences.items()} == {"idc": 2.0, "steps": 0.0}
    assert [isinstance(row["Paper†"], Quoted) for row in rows] == [True, True, False, False]


def test_with_one_check_up_nothing_is_the_best_of_several():
    one = {key: [run._replace(checkups=1) for run in runs] for key, runs in groups(idc=[60], udd=[61]).items()}
    made = tables.table(config("main"), one)
    assert "idc_best" not in [row[3] for row in made.rows] and "idc_best" not in caption(config("main"), made)


def test_quoted_figures_are_those_of_the_paper():
    main = quoted.read("main")
    assert main["cifar10", "1", "udd", "convnet3"][:2] == (54.6, 0.4)
    assert main["mnist", "all", "full", "convnet3"][:2] == (99.6, 0.0)
    assert quoted.read("policy")["cifar10", "10", "udd", "convnet3"].search_time_ms == "17.2"
    assert all(
        note in quoted.notes()
        for name in LAYOUTS
        if name != COST
        for figure in quoted.read(name).values()
        for note in figure.notes
    )


@pytest.mark.parametrize(
    "table, doubted",
    [
        (
            "main",
            {
                ("cifar10", "10", "dc"): "dsa",
                ("cifar10", "50", "dc"): "dsa",
                ("mnist", "50", "udd"): "mnist50",
                ("fashionmnist", "50", "udd"): "fashion50",
            },
        ),
        ("policy", {("cifar10", "10", "udd-gradient"): "diagonal", ("cifar10", "10", "udd"): "close"}),
        ("regions", {("cifar10", "10", "udd-half"): "ticks"}),
        ("imagenet", {("imagenet10", "20", "idc"): "idc"}),
    ],
)
def test_a_doubted_figure_has_a_letter_and_the_table_says_why(table, doubted):
    asked = table_config(load(["params.yaml"]), table)
    made = tables.table(asked, {})
    found, text = {key[:3]: figure for key, figure in made.quoted}, render.markdown(asked, made)
    for key, note in doubted.items():
        letter = letters(made)[note]
        assert f"({letter}) {quoted.notes()[note]}" in text and note in found[key].notes
        assert (
            cells.markdown(found[key], letters(made)) in text
            and letter in cells.markdown(found[key], letters(made)).split("†")[1]
        )
    every = {name for key, figure in quoted.read(table).items() if key in dict(made.quoted) for name in figure.notes}
    assert set(letters(made)) == every


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


def test_protocols_are_rows_where_there_are_several_and_the_paper_stands_once():
    asked = config("main", protocols=["idc", "equal"])
    found = groups(idc=[60], udd=[61])
    found |= {
        key._replace(protocol="equal"): [run._replace(steps=9, checkups=1) for run in runs]
        for key, runs in found.items()
    }
    made = tables.table(asked, found)
    assert made.headings[3:5] == ["Protocol", "Source"]
    assert [(row[3], row[4]) for row in made.rows] == [
        ("idc", "measured"),
        ("", "idc_best"),
        ("", "paper†"),
        ("equal", "measured"),
    ]
    assert "protocols idc, equal" in caption(asked, made) and "best of 4 check-ups" in caption(asked, made)
    assert "SGD steps of a network: IDC: 9/2000; UDD: 9/2000." in footnotes(asked, made)
