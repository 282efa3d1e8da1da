"""The recipe of an evaluation: `evaluate` <- protocol <- data set <- variant; of epochs and a data set's rule for them,
epochs where a protocol, an IPC or a variant asks for some."""

from typing import Any

import pytest
from tiny import ROOT

from udd.config.params import load, overlay
from udd.config.plan import Cell, Record, evaluation_config

RULE = [[1, 3000], [10, 2000], [50, 1500], [200, 1000], [500, 500], [1300, 300]]  # of imagenet10


def recipe(change: dict[str, Any], variant: str = "udd", protocol: str = "idc") -> dict[str, Any]:
    params = overlay(load([ROOT / "params.yaml"]), change)
    return evaluation_config(params, Record(Cell("imagenet10", 10, variant), 0, protocol, "resnetap10"))["evaluate"]


SHORT = {"variants": {"udd-short": {"sets": "udd", "evaluate": {"epochs": 50}}}}


@pytest.mark.parametrize(
    ("change", "variant", "protocol", "epochs"),
    [
        (SHORT, "udd-short", "idc", 50),
        ({"protocols": {"quick": {"epochs": 7}}}, "udd", "quick", 7),
        ({"protocols": {"quick": {"epochs": 7}}} | SHORT, "udd-short", "quick", 50),
        ({"datasets": {"imagenet10": {"ipc10": {"evaluate": {"epochs": 9}}}}}, "udd", "idc", 9),
    ],
    ids=["variant", "protocol", "both", "IPC"],
)
def test_epochs_asked_for_are_taken_where_the_data_set_has_a_rule(change, variant, protocol, epochs):
    found = recipe(change, variant, protocol)
    assert found["epochs"] == epochs and "epochs_by_images" not in found


def test_what_a_data_set_says_at_an_ipc_is_before_a_protocol():
    change = {"protocols": {"equal": {"steps": 600}}, "datasets": {"imagenet10": {"ipc10": {"evaluate": {"steps": 9}}}}}
    assert recipe(change, protocol="equal")["steps"] == 9


def test_the_rule_of_a_data_set_holds_where_nobody_asks_for_epochs():
    assert recipe({})["epochs_by_images"] == RULE


def test_a_variants_rule_is_before_its_data_sets_and_before_epochs():
    rule = [[1, 5]]
    found = recipe({"variants": {"own": {"evaluate": {"epochs_by_images": rule}}}}, "own")
    assert found["epochs_by_images"] == rule
