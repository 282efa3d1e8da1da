"""params.yaml -> cells -> configurations: which exist, what they resolve to, how they are spelt."""

import json
import random
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import ROOT, params

from udd.command import main
from udd.config import asked, plan, requested
from udd.config import params as parameters
from udd.config.params import overlay
from udd.config.plan import Cell, Record, canonical, set_config
from udd.errors import UserError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def shuffled(value: Any, source: random.Random) -> Any:
    """The same value with the keys of every mapping in another order."""
    if isinstance(value, dict):
        items = list(value.items())
        source.shuffle(items)
        return {key: shuffled(inner, source) for key, inner in items}
    return [shuffled(inner, source) for inner in value] if isinstance(value, list) else value


@settings(deadline=None, max_examples=50)
@given(VALUES, st.randoms(use_true_random=False))
def test_canonical_json_is_blind_to_the_order_of_keys_and_loses_nothing(value, source):
    assert canonical(shuffled(value, source)) == canonical(value)
    assert json.loads(canonical(value)) == value


def test_canonical_json_sees_the_order_of_lists_and_has_no_spaces():
    assert canonical({"b": [1, 2], "a": 0.5}) == '{"a":0.5,"b":[1,2]}'
    assert canonical([1, 2]) != canonical([2, 1])


def small(**changes: Any) -> dict[str, Any]:
    """The repository's parameters with tables of our own and no figures."""
    return params() | {"tables": {}, "figures": {}} | changes


MAIN = {"datasets": ["mnist", "svhn"], "ipc": [1, 10], "variants": ["random", "udd", "full"]}
CFC = {"datasets": ["svhn"], "ipc": [10], "variants": ["udd-nocfc", "udd"], "architectures": ["convnet3", "vgg11"]}


def test_cells_are_the_product_and_the_full_data_set_has_one_a_data_set():
    cells = requested.cells(params(), MAIN)
    assert cells == [
        Cell("mnist", 1, "random"), Cell("mnist", 1, "udd"), Cell("mnist", "all", "full"), Cell("mnist", 10,
        "random"), Cell("mnist", 10, "udd"),
        Cell("svhn", 1, "random"), Cell("svhn", 1, "udd"), Cell("svhn", "all", "full"), Cell("svhn", 10, "random"),
        Cell("svhn", 10, "udd"),
    ]  # fmt: skip


def test_a_data_set_leaves_out_what_it_has_too_few_images_for():
    asked = {"datasets": ["cifar10", "cifar100"], "ipc": [10, 50], "variants": ["random", "random-x13"]}
    cells = requested.cells(params(), asked)
    assert len(cells) == 7 and Cell("cifar100", 50, "random-x13") not in cells
    found = small(tables={"kip": {"datasets": ["cifar100"], "ipc": [50], "variants": ["udd"]}})
    # It names what it leaves out
    assert parameters.check(requested.only(found, "kip"))["variants"].keys() == {"udd", "full", "random-x13"}
    # And whose sets that shows
    found["variants"]["equal"] = {"sets": "idc", "evaluate": {"epochs": 3}}
    found["datasets"]["cifar100"]["ipc50"] = {"without": ["equal"]}
    assert parameters.check(requested.only(found, "kip"))["variants"].keys() == {"udd", "full", "equal", "idc"}


def test_a_multiple_of_ipc_stands_in_the_configuration_of_its_own_sets_alone():
    once, four = (set_config(params(), Cell("mnist", 2, name), 0) for name in ("random", "random-x4"))
    assert four == once | {"variant": "random-x4", "times": 4}
    assert (plan.images_a_class(once), plan.images_a_class(four)) == (2, 8)


def test_a_cell_that_two_tables_share_exists_once():
    found = small(tables={"main": MAIN, "cfc": CFC}, seeds={"distill": [0, 1], "evaluate": [0, 1, 2]})
    assert len(requested.all_cells(found)) == 10 + 1
    records = requested.all_records(found)
    sets = 8 * 2 + 2  # the full data set has one distillation seed
    assert len(records) == len(set(records)) == sets + (2 + 2 + 2)  # and udd-nocfc on two networks, udd on a second one
    assert len({record.path for record in records}) == len(records)


def test_the_figures_evaluate_nothing_but_for_utilization():
    figures = {
        "maps": {"datasets": ["cifar10"], "ipc": [10], "variants": ["idc"]},
        "utilization": {"datasets": ["cifar10"], "ipc": [10], "variants": ["udd-p2"]},
    }
    found = small(figures=figures)
    assert {cell.variant for cell in requested.all_cells(found)} == {"idc", "udd-p2"}
    assert {record.cell.variant for record in requested.all_records(found)} == {"udd-p2"}


def test_the_papers_cells():
    cells = requested.all_cells(params())
    udd = [cell for cell in cells if cell.variant == "udd"]
    assert len([cell for cell in udd if cell.dataset != "imagenet10"]) == 15
    assert len([cell for cell in udd if cell.dataset == "imagenet10"]) == 2
    assert {cell.ipc for cell in cells if cell.variant == "full"} == {"all"}
    architectures = {
        record.architecture for record in requested.all_records(params()) if record.cell == Cell("cifar10", 10, "udd")
    }
    assert architectures == {"convnet3", "resnet18", "vgg11", "alexnet"}


def test_paths_name_every_coordinate():
    record = Record(Cell("svhn", 10, "udd"), 2, "idc", "vgg11")
    assert record.path == "svhn/ipc10/udd/seed2/idc/vgg11.json"
    assert Cell("svhn", "all", "full").folder == "svhn/ipcall/full"


def test_a_variants_values_go_before_a_data_sets_before_the_defaults():
    found = overlay(params(), {
        "distill": {"outer": 1, "inner": 1, "image_lr": 1.0},
        "datasets": {"svhn": {"distill": {"inner": 2, "image_lr": 2.0}}},
        "variants": {"own": {"distill": {"image_lr": 3.0}}},
    })  # fmt: skip
    distill = set_config(found, Cell("svhn", 1, "own"), 0)["distill"]
    assert (distill["outer"], distill["inner"], distill["image_lr"]) == (1, 2, 3.0)
    assert distill["net_images"] == 500  # the data set's own
    assert set_config(found, Cell("svhn", 1, "udd"), 0)["distill"]["image_lr"] == 2.0
    assert set_config(found, Cell("mnist", 1, "own"), 0)["distill"]["inner"] == 1


def test_what_an_ipc_changes_goes_after_the_data_set_and_before_the_variant():
    at_ten = {
        "distill": {"outer": 7, "image_lr": 3.0},
        "evaluate": {"epochs": 5, "precision": "bfloat16"},
        "coreset": {"epochs": 2},
    }
    found = overlay(params(), {
        "datasets": {"svhn": {"distill": {"outer": 2, "inner": 2}, "evaluate": {"epochs": 4}, "ipc10": at_ten}},
        "variants": {"own": {"distill": {"image_lr": 4.0}}},
    })  # fmt: skip
    ten = set_config(found, Cell("svhn", 10, "own"), 0)["distill"]
    assert (ten["outer"], ten["inner"], ten["image_lr"]) == (7, 2, 4.0)
    for other in (Cell("svhn", 1, "udd"), Cell("svhn", 50, "udd")):
        assert set_config(found, other, 0)["distill"]["outer"] == 2
    assert set_config(found, Cell("svhn", 10, "herding"), 0)["coreset"]["epochs"] == 2
    recipes = [
        plan.evaluation_config(found, Record(Cell("svhn", ipc, "udd"), 0, "epochs300", "vgg11"))["evaluate"]
        for ipc in (10, 1)
    ]
    assert [(recipe["epochs"], recipe["precision"]) for recipe in recipes] == [(5, "bfloat16"), (4, "float32")]
    assert "ipc10" not in plan.dataset_config(found, "svhn")


def test_an_evaluation_adds_its_protocol_after_the_defaults():
    changes = {"datasets": {"svhn": {"evaluate": {"lr": 0.25}}}, "variants": {"udd": {"evaluate": {"batch": 7}}}}
    found = overlay(params(), changes | {"protocols": {"short": {"epochs": 9, "lr": 0.5, "batch": 3}}})
    config = plan.evaluation_config(found, Record(Cell("svhn", 1, "udd"), 3, "short", "vgg11"))
    assert (config["evaluate"]["epochs"], config["evaluate"]["lr"], config["evaluate"]["batch"]) == (9, 0.25, 7)
    assert config["evaluate"]["augment"] == ["color", "crop|scale|rotate"]  # no flip on digits (`flip: false`)
    assert config["set"] == set_config(found, Cell("svhn", 1, "udd"), 3)
    assert (config["protocol"], config["architecture"]) == ("short", "vgg11")


def test_only_what_concerns_a_set_is_in_its_configuration():
    config = set_config(params(), Cell("cifar10", 10, "udd"), 1)
    assert config["dataset"] == {"name": "cifar10", "kind": "cifar10"}
    assert config.keys() == {"dataset", "ipc", "variant", "seed", "method", "distill", "udd"}
    assert set_config(params(), Cell("cifar10", 10, "random"), 1).keys() == {
        "dataset",
        "ipc",
        "variant",
        "seed",
        "method",
    }
    assert set_config(params(), Cell("cifar10", 10, "herding"), 1)["coreset"] == params()["coreset"]
    for change in (
        {"evaluate": {"epochs": 3}},
        {"results": "elsewhere"},
        {"data_root": "elsewhere"},
        {"datasets": {"svhn": {"distill": {"outer": 3}}}},
    ):
        assert set_config(overlay(params(), change), Cell("cifar10", 10, "udd"), 1) == config
    swapped = overlay(
        params(), {"distill": {"inner": params()["distill"]["outer"], "outer": params()["distill"]["inner"]}}
    )
    assert canonical(set_config(swapped, Cell("cifar10", 10, "udd"), 1)) != canonical(config)


def test_the_full_data_set_is_evaluated_by_its_own_protocol_and_seed_0():
    full, udd = Cell("svhn", "all", "full"), Cell("svhn", 1, "udd")
    two = {"protocols": ["idc", "x"]}
    assert requested.protocols({}, full) == requested.protocols(two, full) == ["epochs300"]
    assert requested.protocols({}, udd) == ["idc"] and requested.protocols(two, udd) == ["idc", "x"]
    assert plan.seeds(params(), full) == [0] and plan.seeds(params(), udd) == [0, 1, 2]


def test_raw_data_lies_where_the_environment_says(monkeypatch):
    monkeypatch.delenv("UDD_DATA", raising=False)
    assert str(plan.data_root(params())) == params()["data_root"]
    monkeypatch.setenv("UDD_DATA", "/elsewhere")
    assert str(plan.data_root(params())) == "/elsewhere"


def test_the_command_prints_cells_and_configurations(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    asked.run([])
    assert "cifar10/ipc10/udd" in capsys.readouterr().out.splitlines()
    asked.run(["--dataset", "cifar10", "--ipc", "10", "--variant", "idc", "--seed", "2"])
    assert json.loads(capsys.readouterr().out) == set_config(params(), Cell("cifar10", 10, "idc"), 2)
    asked.run(["--dataset", "cifar10", "--variant", "full"])
    assert json.loads(capsys.readouterr().out)["ipc"] == "all"


@pytest.mark.parametrize("ipc", ["0", "all", "ten", "-1", "²"])
def test_an_ipc_that_is_no_number_is_refused(ipc, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as ended:
        main(lambda: asked.run(["--dataset", "cifar10", f"--ipc={ipc}"]))
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: --ipc {ipc}: expected a whole number of images per class, 1 or more\n"


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="--dataset cifar: not in params.yaml; expected one of mnist"):
        asked.run(["--params", str(ROOT / "params.yaml"), "--dataset", "cifar"])


def test_planning_needs_neither_torch_nor_snakemake():
    code = (
        "import sys, udd.config.plan, udd.config.params, udd.provenance; assert not {'torch', 'snakemake', 'dvc', "
        "'jsonschema'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


OWN = {
    "wide": {"sets": "idc-nine", "evaluate": {"width": 7}, "ipc10": {"evaluate": {"width": 8}}},
    "idc-nine": {"method": "idc", "distill": {"factor": 3}, "evaluate": {"width": 9}},
}


@pytest.mark.parametrize(
    ("variant", "expected", "width"), [("idc-nine", "idc-nine", 9), ("wide", "idc-nine", 8), ("idc", "idc", 128)]
)
def test_a_set_that_is_evaluated_in_several_ways_is_made_once(variant, expected, width):
    asked_for = {"datasets": ["mnist"], "ipc": [10], "variants": ["wide"]}
    found = overlay(params(), {"variants": OWN, "tables": {"main": asked_for}})
    cell, record = Cell("mnist", 10, variant), Record(Cell("mnist", 10, variant), 3, "idc", "convnet3")
    assert plan.made_as(found, cell) == Cell("mnist", 10, expected)
    assert set_config(found, cell, 3) == set_config(found, Cell("mnist", 10, expected), 3)
    assert set_config(found, cell, 3)["variant"] == expected and plan.method(found, variant) == "idc"
    assert record.path.split("/")[2] == variant and plan.evaluation_config(found, record)["evaluate"]["width"] == width
    if variant == "wide":
        alone = requested.only(parameters.check(found), "main")
        assert plan.evaluation_config(alone, record) == plan.evaluation_config(found, record)
