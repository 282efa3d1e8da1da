"""What a data set and a variant change: whether images are mirrored, and what differs at an IPC."""

from typing import Any

import numpy
import pytest
from tiny import dataset, params

import udd
from udd import accuracy, own, schedules
from udd.command import pixels_asked
from udd.config import params as parameters
from udd.config import plan, requested
from udd.config.params import overlay
from udd.config.plan import Cell, Record, set_config
from udd.errors import UserError
from udd.interface import configuration
from udd.reports import collect


@pytest.mark.parametrize(
    "name, mirrored", [("mnist", False), ("svhn", False), ("digits", False), ("cifar10", True), ("fashionmnist", True)]
)
def test_no_augmentation_mirrors_digits_whatever_the_method(name, mirrored):
    """A variant's own operations, as DSA's and MTT's, come after the data set's."""
    found = params()
    for variant in found["variants"]:
        cell = Cell(name, 1, variant)
        if variant in plan.distilled(found):
            distill = set_config(found, cell, 0)["distill"]
            operations = "|".join(distill["matching_augment"] + distill["net_augment"]).split("|")
            assert ("flip" in operations) == (mirrored and variant in ("dm", "dsa", "mtt"))
        recipe = plan.evaluation_config(found, Record(cell, 0, "idc", "convnet3"))["evaluate"]
        assert ("flip" in "|".join(recipe["augment"]).split("|")) == mirrored
    assert plan.unmirrored(["color", "flip", "crop|flip", "flip|scale"]) == ["color", "crop", "scale"]


def test_a_variant_may_differ_at_an_ipc():
    """As DSA's loops do; what the variant says of every IPC stands where nothing else is said, and a data set's own
    values come before both."""
    change = {
        "method": "dsa",
        "distill": {"outer": 7, "inner": 2},
        "ipc10": {"distill": {"inner": 3}, "dsa": {"net_epochs": 4}, "evaluate": {"epochs": 5}},
    }
    found = overlay(
        params(),
        {"variants": {"looped": change}, "datasets": {"svhn": {"ipc10": {"distill": {"inner": 9, "batch_real": 11}}}}},
    )
    one, ten = (set_config(found, Cell("svhn", ipc, "looped"), 0) for ipc in (1, 10))
    assert (one["distill"]["outer"], one["distill"]["inner"], one["dsa"]["net_epochs"]) == (7, 2, 1)
    assert (
        ten["distill"]["outer"],
        ten["distill"]["inner"],
        ten["dsa"]["net_epochs"],
        ten["distill"]["batch_real"],
    ) == (7, 3, 4, 11)
    assert (
        plan.evaluation_config(found, Record(Cell("svhn", 10, "looped"), 0, "idc", "convnet3"))["evaluate"]["epochs"]
        == 5
    )
    assert "ipc10" not in one | ten
    parameters.check(found)


def test_a_variant_may_differ_on_a_data_set():
    """As MTT's experts do on CIFAR-100; before what it says of every data set, at whatever IPC, and there at an IPC."""
    there = {"distill": {"inner": 5}, "ipc1": {"distill": {"inner": 6}, "evaluate": {"epochs": 5}}}
    change = {
        "distill": {"outer": 7, "inner": 2},
        "ipc10": {"distill": {"inner": 3, "outer": 8}},
        "datasets": {"svhn": there},
    }
    found = overlay(params(), {"variants": {"looped": change}})
    loops = {
        (name, ipc): set_config(found, Cell(name, ipc, "looped"), 0)["distill"]
        for name in ("svhn", "mnist")
        for ipc in (1, 10)
    }
    assert {key: (each["outer"], each["inner"]) for key, each in loops.items()} == {
        ("svhn", 1): (7, 6),
        ("svhn", 10): (8, 5),
        ("mnist", 1): (7, 2),
        ("mnist", 10): (8, 3),
    }
    assert (
        plan.evaluation_config(found, Record(Cell("svhn", 1, "looped"), 0, "idc", "convnet3"))["evaluate"]["epochs"]
        == 5
    )
    parameters.check(found)


EXPERIMENTS = {
    "paper": [],
    "every-method": ["every-method"],
    "cpu": ["cpu"],
    "cpu-methods": ["cpu", "cpu-methods"],
    "cpu-grid": ["cpu", "cpu-methods", "cpu-grid"],
    "cpu-cached": ["cpu", "cpu-cached"],
    "cpu-cached-ipc10": ["cpu", "cpu-cached", "cpu-cached-ipc10"],
    "cpu-cached-mnist": ["cpu", "cpu-cached", "cpu-cached-mnist"],
    "cpu-rates": ["cpu", "cpu-rates"],
    "cpu-cells": ["cpu", "cpu-cells"],
    "cpu-cells-ipc10": ["cpu", "cpu-cells-ipc10"],
    "cpu-architectures": ["cpu", "cpu-cells-ipc10", "cpu-architectures"],
    "cpu-utilization": ["cpu", "cpu-cells", "cpu-utilization"],
    "cpu-grey": ["cpu", "cpu-grey"],
    "cpu-cells-more": ["cpu", "cpu-cells", "cpu-cells-mnist", "cpu-cells-more"],
}


@pytest.mark.parametrize("files", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_each_table_and_figure_stands_by_itself(files):
    """As `collect` takes it: what a variant says of other data sets is none of its business."""
    found = parameters.load(["params.yaml", *(f"experiments/{name}.yaml" for name in files)])
    for request in [*found["tables"], *found["figures"]]:
        one = requested.only(found, request)
        parameters.check(one)
        assert all(made.get("datasets", {}).keys() <= one["datasets"].keys() for made in one["variants"].values())
        for record in requested.all_records(one):
            assert plan.evaluation_config(one, record) == plan.evaluation_config(found, record)


def test_python_takes_what_a_variant_says_of_a_data_set_and_the_callers_keys_before_it():
    data = dataset()._replace(name="cifar100")
    for keys, real in (({}, 50), ({"batch_real": 3}, 3)):
        assert configuration(data, "kip", 1, 0, keys)[1]["distill"]["batch_real"] == real
    assert configuration(data._replace(name="cifar10"), "kip", 1, 0, {})[1]["distill"]["batch_real"] == 500


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"datasets": {"svhn": {"dsa": {"net_epochs": 4}}}},
            "variants.other.datasets.svhn.dsa: the method is udd, which reads distill, udd",
        ),
        (
            {"datasets": {"svhn": {"ipc10": {"dsa": {"net_epochs": 4}}}}},
            "variants.other.datasets.svhn.ipc10.dsa: the method is udd",
        ),
        (
            {"datasets": {"shvn": {"udd": {"cfc": False}}}},
            "variants.other.datasets: 'shvn' is not declared under datasets; did you mean 'svhn'?",
        ),
        (
            {"datasets": {"svhn": {"udd": {"selected": 13}}}},
            "variants.other.datasets.svhn.udd.selected: P = 13 windows of N = 12 candidates",
        ),
        (
            {"datasets": {"svhn": {"ipc10": {"udd": {"selected": 13}}}}},
            "variants.other.datasets.svhn.ipc10.udd.selected: P = 13 windows of N = 12",
        ),
        (
            {
                "udd": {"selected": 3},
                "ipc10": {"udd": {"selected": 12}},
                "datasets": {"svhn": {"udd": {"scales": ["half"]}}},
            },
            "variants.other.ipc10.udd.selected: P = 12 windows of N = 4",
        ),
        ({"datasets": {"svhn": {"distill": {"inner": 0}}}}, "variants.other.datasets.svhn.distill.inner"),
        (
            {"datasets": {"svhn": {"outer": 3}}},
            "unknown key 'outer' in variants.other.datasets.svhn; expected one of distill, udd",
        ),
        (
            {"ipc10": {"dsa": {"net_epochs": 4}}},
            "variants.other.ipc10.dsa: the method is udd, which reads distill, udd",
        ),
        ({"ipc10": {"udd": {"selected": 13}}}, "P = 13 windows of N = 12 candidates"),
        ({"ipc10": {"distill": {"inner": 0}}}, "variants.other.ipc10.distill.inner"),
        ({"ipc10": {"outer": 3}}, "outer"),
    ],
)
def test_what_a_variant_says_of_an_ipc_is_checked(change, said):
    with pytest.raises(UserError) as error:
        parameters.check(overlay(params(), {"variants": {"other": change}}))
    assert said in str(error.value)


@pytest.mark.parametrize(("ipc", "loops"), [(1, (1, 1)), (10, (10, 50)), (20, (20, 25)), (5, (1, 1)), (50, (50, 10))])
def test_python_takes_what_a_variant_says_of_an_ipc_and_the_callers_keys_before_it(ipc, loops):
    for keys, expected in (({}, loops), ({"inner": 3}, (3, loops[1])), ({"net_epochs": 4}, (loops[0], 4))):
        _, found = configuration(dataset(), "dsa", ipc, 0, keys)
        assert (found["distill"]["inner"], found["dsa"]["net_epochs"]) == expected


@pytest.mark.parametrize(
    ("dataset_says", "variant_says", "said"),
    [
        # A cell that never is
        ({"ipc1": {"udd": {"selected": 12}}}, {"ipc10": {"udd": {"scales": ["half", "third"]}}}, None),
        (
            {"ipc10": {"udd": {"selected": 12}}},
            {"ipc10": {"udd": {"scales": ["half", "third"]}}},
            "variants.other.udd.selected",
        ),
        (
            {},
            {"udd": {"scales": ["half", "third"]}, "ipc10": {"udd": {"selected": 12}}},
            "variants.other.ipc10.udd.selected",
        ),
    ],
)
def test_more_windows_than_there_are_is_asked_ipc_by_ipc(dataset_says, variant_says, said):
    found = overlay(params(), {"variants": {"other": variant_says}, "datasets": {"svhn": dataset_says}})
    if said is None:
        parameters.check(found)
        return
    with pytest.raises(UserError, match=said):
        parameters.check(found)


@pytest.mark.parametrize("operations", [["color", "crop|color"], ["cutout|flip", "cutout"], ["color", "color"]])
@pytest.mark.parametrize(
    "place", ["evaluate.augment", "variants.udd.ipc10.distill.matching_augment", "protocols.idc.augment"]
)
def test_colour_or_a_cutout_in_two_entries_is_refused(operations, place):
    change: dict = {}
    inner = change
    *folders, last = place.split(".")
    for folder in folders:
        inner = inner.setdefault(folder, {})
    inner[last] = operations
    with pytest.raises(UserError, match=f"{place}: found (color|cutout) in two entries"):
        parameters.check(overlay(params(), change))


def test_ones_own_images_are_mirrored_unless_they_may_not_be(tmp_path):
    arrays: dict[str, Any] = {
        f"{part}_{what}": fakes_of(what) for part in ("train", "test") for what in ("images", "labels")
    }
    numpy.savez(tmp_path / "letters.npz", **arrays)
    seen: list[dict] = []
    result = {"accuracy": 1.0, "accuracy_best": 1.0, "by_class": []}
    for flip, words in ((True, []), (False, ["--no-flip"])):
        data = udd.dataset(tmp_path / "letters.npz", flip=flip)
        _, found = configuration(data, "dsa", 1, 0, {})
        assert ("flip" in found["distill"]["matching_augment"][0].split("|")) == flip == data.to("cpu").flip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(accuracy, "result", lambda config, *_: seen.append(config["evaluate"]) or result)
            udd.evaluate(udd.distill(data, "random", 1), data, 1)
        assert ("flip" in seen.pop()["augment"]) == flip
        asked = vars(own.parser().parse_args([str(tmp_path / "letters.npz"), *words]))
        assert pixels_asked(asked) == ({} if flip else {"flip": False})


def fakes_of(what: str) -> numpy.ndarray:
    """Eight images of 8 pixels, or their labels."""
    return numpy.arange(8 * 64).astype(numpy.uint8).reshape(8, 8, 8) if what == "images" else numpy.arange(8) % 2


def test_a_key_that_no_data_set_has_is_refused():
    with pytest.raises(UserError, match="dataset: unknown key 'flipped'; did you mean 'flip'"):
        udd.dataset("digits", flipped=False)


@pytest.mark.parametrize(("ipc", "outer"), [(1, 250), (10, 25), (50, 5)])
def test_the_short_schedule_has_as_many_steps_whatever_the_loops_of_an_ipc(ipc, outer):
    assert schedules.planned("dsa", ipc, {}) == {"width": 64, "init": "real", "outer": outer}
    assert schedules.planned("dsa", ipc, {"inner": 5}) == {"width": 64, "init": "real", "outer": 50, "inner": 5}


def test_the_share_of_dsas_schedule_counts_networks():
    found = [collect.schedule_percent(set_config(params(), Cell("cifar10", ipc, "dsa"), 0)) for ipc in (1, 10, 50)]
    assert found == [100, 100, 100]


@pytest.mark.parametrize("variant", [name for name in plan.distilled(params()) if name != "udd-features"])
def test_every_variant_of_the_paper_has_its_whole_schedule(variant):
    """What params.yaml plans is what was published."""
    whole = set_config(params(), Cell("cifar10", 10, variant), 0)
    short = whole | {"distill": whole["distill"] | {"outer": whole["distill"]["outer"] // 100}}
    assert (collect.schedule_percent(whole), collect.schedule_percent(short)) == (100, 1)
