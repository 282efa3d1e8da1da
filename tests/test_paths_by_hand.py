"""The files of a command: from its command line, else from params.yaml."""

import json
from pathlib import Path

import pytest
from tiny import ROOT

from udd.config import drawings as analysis
from udd.config import plan
from udd.config.files import filled, parser_of
from udd.config.params import load
from udd.errors import UserError
from udd.evaluation import reference, utilization

PARAMS = ["--params", str(ROOT / "params.yaml")]


def test_what_the_command_line_names_stays_and_the_rest_is_filled_in(monkeypatch):
    monkeypatch.setenv("UDD_DATA", "raw")
    args = parser_of("x", "X.", {"manifest": "", "root": "", "out": ""}).parse_args(["--dataset", "x", "--out", "own"])
    found = filled(vars(args), {"results": "made"}, manifest="data/x.json", out="x")
    assert found == {"manifest": Path("made/data/x.json"), "root": Path("raw"), "out": Path("own")}


def by_hand(module, *cell):
    """The configuration and the files of a command that names a cell alone."""
    return module.resolve(vars(parser_of("x", "X.", module.FILES).parse_args([*PARAMS, *cell])))


def test_reference_networks_by_hand_need_a_data_set_alone():
    config, files = by_hand(reference, "--dataset", "svhn")
    assert config == analysis.reference_config(load(PARAMS[1:]), "svhn")
    assert (files["manifest"], files["out"]) == (
        Path("results/data/svhn.json"),
        Path("results/proxies/svhn.safetensors"),
    )


def test_a_measurement_by_hand_needs_a_cell_alone():
    config, files = by_hand(utilization, "--dataset", "svhn", "--variant", "idc", "--ipc", "10", "--seed", "2")
    assert config == plan.utilization_config(load(PARAMS[1:]), plan.Cell("svhn", 10, "idc"), 2)
    assert (files["manifest"], files["proxies"]) == (
        Path("results/data/svhn.json"),
        Path("results/proxies/svhn.safetensors"),
    )
    assert files["set"] == Path("results/synthetic/svhn/ipc10/idc/seed2.safetensors")
    assert files["out"] == Path("results/utilization/svhn/ipc10/idc/seed2.json")


MEASURED = {"dataset": {}, "utilization": {}}
FULL, SET = MEASURED | {"set": {"method": "full"}}, MEASURED | {"set": {"method": "udd"}}


@pytest.mark.parametrize(
    ("module", "config", "given", "missing"),
    [
        (reference, MEASURED, ["manifest", "root"], "out"),
        (utilization, SET, ["proxies", "out"], "set"),
        (utilization, FULL, ["proxies", "out"], "manifest"),
    ],
)
def test_beside_a_configuration_every_file_is_named(module, config, given, missing):
    options = [part for name in given for part in (f"--{name}", "x")]
    with pytest.raises(UserError, match=f"^--{missing}: missing; it is needed beside --config$"):
        module.run(["--config", json.dumps(config), "--device", "cpu", *options])
