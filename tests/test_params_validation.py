"""What params.yaml may not say: unknown keys, types, ranges, names, sense; refused in one line that names the key."""

from typing import Any

import pytest
from tiny import params

from udd.config.params import check, overlay
from udd.errors import UserError


def refused(changes: dict[str, Any]) -> str:
    with pytest.raises(UserError) as error:
        check(overlay(params(), changes))
    text = str(error.value)
    assert text.startswith("params.yaml: ") and "\n" not in text
    return text


BAD: list[tuple[dict[str, Any], str]] = [
    # unknown keys
    ({"distill": {"outter": 3}}, "unknown key 'outter' in distill; did you mean 'outer'?"),
    ({"distil": {}}, "unknown key 'distil' in the file; did you mean 'distill'?"),
    (
        {"variants": {"udd": {"udd": {"polcy": "vote"}}}},
        "unknown key 'polcy' in variants.udd.udd; did you mean 'policy'?",
    ),
    ({"datasets": {"svhn": {"learning": 3}}}, "unknown key 'learning' in datasets.svhn; expected one of kind, path"),
    ({"tables": {"mian": {}}}, "unknown key 'mian' in tables; did you mean 'main'?"),
    (
        {"datasets": {"svhn": {"ipc10": {"distill": {"oter": 3}}}}},
        "unknown key 'oter' in datasets.svhn.ipc10.distill; did you mean 'outer'?",
    ),
    # types and ranges
    (
        {"distill": {"outer": "1000"}},
        "distill.outer: found the text '1000', expected a whole number; write it without quotes, as 1000",
    ),
    ({"datasets": {"svhn": {"ipc10": {}, "ipc01": {}}}}, "unknown key 'ipc01' in datasets.svhn"),
    (
        {"distill": {"image_lr": "1e-4"}},
        "distill.image_lr: found the text '1e-4', expected a number; YAML needs a point: write 1.0e-04",
    ),
    (
        {"datasets": {"svhn": {"evaluate": {"lr": "1e-4"}}}},
        "datasets.svhn.evaluate.lr: found the text '1e-4', expected a number",
    ),
    ({"udd": {"search_layer": "1"}}, "udd.search_layer: found '1'; write it without quotes, as 1"),
    ({"udd": {"search_layer": 0}}, "udd.search_layer: found 0; expected one of last, pixels, 1, 2"),
    ({"udd": {"search_layer": "lats"}}, "udd.search_layer: found 'lats'; did you mean 'last'?"),
    ({"distill": {"outer": 1.5}}, "distill.outer: found 1.5, expected a value of type integer"),
    ({"distill": {"outer": 2.0}}, "distill.outer: found 2.0, expected a value of type integer"),
    ({"seeds": {"distill": [1.0]}}, "seeds.distill.0: found 1.0, expected a value of type integer"),
    ({"distill": {"outer": True}}, "distill.outer: found True, expected a value of type integer"),
    ({"distill": {"cfc": True}}, "unknown key 'cfc' in distill; it is one of section udd and of idc"),
    ({"udd": {"cfc": 1}}, "udd.cfc: found 1, expected a value of type boolean"),
    ({"distill": {"outer": 0}}, "distill.outer: found 0, expected at least 1"),
    ({"distill": {"image_lr": 0}}, "distill.image_lr: found 0, expected more than 0"),
    ({"distill": {"image_momentum": 1.0}}, "distill.image_momentum: found 1.0, expected less than 1"),
    ({"evaluate": {"cutmix_p": 1.5}}, "evaluate.cutmix_p: found 1.5, expected at most 1"),
    ({"evaluate": {"decay_at": [0.5, 2]}}, "evaluate.decay_at.1: found 2, expected at most 1"),
    ({"seeds": {"distill": []}}, "seeds.distill: found [], expected a list no shorter than 1"),
    ({"seeds": {"evaluate": [1, 1]}}, "seeds.evaluate: found [1, 1], expected each value once"),
    ({"seeds": [1]}, "seeds: found [1], expected keys and their values"),
    ({"seeds": {"distill": "10"}}, "seeds.distill: found '10', expected a list, as [10]"),
    ({"seeds": {"distill": 10}}, "seeds.distill: found 10, expected a list, as [10]"),
    ({"results": ""}, "results: found '', expected characters at least: 1"),
    (
        {"distill": {"matching_augment": ["colour"]}},
        "distill.matching_augment.0: found 'colour', expected text that matches",
    ),
    (
        {"evaluate": {"augment": ["crop|resized"]}},
        "evaluate.augment.0: found 'crop|resized', expected text that matches",
    ),
    ({"datasets": {"My Data": {"kind": "npz"}}}, "found 'My Data', expected text that matches"),
    # names
    ({"udd": {"policy": "jiter"}}, "udd.policy: found 'jiter'; did you mean 'jitter'?"),
    ({"distill": {"network": "convnet"}}, "distill.network: found 'convnet'; did you mean 'convnet3'?"),
    ({"udd": {"distance": "cosine"}}, "udd.distance: found 'cosine'; expected one of mse, l1"),
    (
        {"tables": {"main": {"architectures": ["vgg"]}}},
        "tables.main.architectures.0: found 'vgg'; did you mean 'vgg11'?",
    ),
    ({"datasets": {"own": {"kind": "folders"}}}, "datasets.own.kind: found 'folders'; did you mean 'folder'?"),
    ({"variants": {"own": {"method": "zzzz"}}}, "variants.own.method: found 'zzzz'; expected one of udd, idc, dm"),
    (
        {"tables": {"main": {"datasets": ["cifar11"]}}},
        "tables.main.datasets: 'cifar11' is not declared under datasets; did you mean 'cifar1",
    ),
    (
        {"figures": {"maps": {"variants": ["udd-nocf"]}}},
        "figures.maps.variants: 'udd-nocf' is not declared under variants; did you mean 'udd-nocfc'?",
    ),
    (
        {"tables": {"main": {"protocols": ["idc", "epochs30"]}}},
        "tables.main.protocols: 'epochs30' is not declared under protocols; did you mean 'epochs300'?",
    ),
    (
        {"figures": {"curves": {"variants": ["udd", "random"]}}},
        "figures.curves.variants: 'random' has no loss, it is not distilled",
    ),
    # sense
    (
        {"variants": {"idc": {"udd": {"policy": "all"}}}},
        "variants.idc.udd: the method is idc, which reads distill, idc; leave it out",
    ),
    (
        {"variants": {"random": {"distill": {"outer": 3}}}},
        "variants.random.distill: the method is random, which reads no section",
    ),
    (
        {"variants": {"idc": {"times": 4}}},
        "variants.idc.times: the method of idc is idc, which takes no multiple of IPC; expected random, herding, f",
    ),
    ({"variants": {"random-x4": {"times": 1}}}, "variants.random-x4.times: found 1, expected at least 2"),
    (
        {"datasets": {"svhn": {"ipc10": {"without": ["random-x6"]}}}},
        "datasets.svhn.ipc10.without: 'random-x6' is not declared under variants; did you",
    ),
    (
        {"variants": {"own": {"sets": "idcc"}}},
        "variants.own.sets: 'idcc' is not declared under variants; did you mean 'idc",
    ),
    (
        {"variants": {"own": {"sets": "idc"}, "own2": {"sets": "own"}}},
        "variants.own2.sets: own has no sets of its own, it evaluates those of idc",
    ),
    (
        {"variants": {"own": {"sets": "idc", "method": "idc"}}},
        "variants.own.method: own evaluates the sets of idc and makes none; leave all out but evaluate and label",
    ),
    ({"variants": {"own": {"label": "a|b"}}}, "variants.own.label: "),
    ({"variants": {"own": {"label": "a\n"}}}, "variants.own.label: "),
    ({"variants": {"own": {"label": "_a"}}}, "variants.own.label: "),
    ({"datasets": {"digits": {"label": "a|b"}}}, "datasets.digits.label: "),
    (
        {"variants": {"own": {"sets": "idc", "ipc10": {"distill": {"outer": 3}}}}},
        "variants.own.ipc10.distill: own evaluates the sets of idc",
    ),
    (
        {"variants": {"own": {"sets": "idc"}}, "figures": {"maps": {"variants": ["own"]}}},
        "figures.maps.variants: 'own' has no sets of its own; name idc, and own in a table",
    ),
    (
        {"variants": {"own": {"sets": "random-x13"}}, "datasets": {"svhn": {"ipc10": {"without": ["random-x13"]}}}},
        "datasets.svhn.ipc10.without: found random-x13 left out, whose sets own evaluates; leave own out as well",
    ),
    (
        {"evaluate": {"epochs_by_images": [[10, 5], [1, 3]]}},
        "evaluate.epochs_by_images: found [[10, 5], [1, 3]], expected pairs",
    ),
    (
        {"variants": {"udd": {"ipc1": {"evaluate": {"epochs_by_images": [[1, 5], [1, 3]]}}}}},
        "variants.udd.ipc1.evaluate.epochs_by_images: found",
    ),
    ({"udd": {"selected": 13}}, "udd.selected: P = 13 windows of N = 12 candidates; lower selected or add scales"),
    (
        {"variants": {"own": {"udd": {"scales": ["half"]}}}},
        "variants.own.udd.selected: P = 8 windows of N = 4 candidates",
    ),
    ({"datasets": {"svhn": {"udd": {"scales": ["half"], "selected": 5}}}}, "P = 5 windows of N = 4 candidates"),
    (
        {"datasets": {"svhn": {"ipc1": {"udd": {"scales": ["half"], "selected": 5}}}}},
        "P = 5 windows of N = 4 candidates",
    ),
    ({"datasets": {"own": {"kind": "folder"}}}, "datasets.own: key 'size' is missing"),
    ({"datasets": {"own": {"path": "x"}}}, "datasets.own: 'kind' is a required property"),
]


@pytest.mark.parametrize(("changes", "words"), BAD, ids=[words[:60] for _, words in BAD])
def test_what_is_wrong_is_said_in_one_line_that_names_the_key(changes, words):
    assert words in refused(changes)


def test_a_section_that_is_missing_is_named():
    with pytest.raises(UserError, match="params.yaml: the file: 'variants' is a required property"):
        check({key: value for key, value in params().items() if key != "variants"})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value):
    assert f"distill.image_lr: found {value}, expected a finite number" in refused({"distill": {"image_lr": value}})
    assert f"datasets.svhn.evaluate.decay_at.1: found {value}, expected" in refused(
        {"datasets": {"svhn": {"evaluate": {"decay_at": [0.5, value]}}}}
    )


@pytest.mark.parametrize("path", ["/data/pets", "~/pets", "$HOME/pets", "sub/$NAME"])
def test_a_path_that_is_not_below_the_data_root_is_refused_before_anything_is_planned(path: str):
    assert (
        f"datasets.own.path: found '{path}', expected a path relative to data_root (UDD_DATA); put a link there"
        in refused({"datasets": {"own": {"kind": "folder", "size": 8, "path": path}}})
    )


@pytest.mark.parametrize("word", ["nan", "inf", "-Infinity", "1e999"])
@pytest.mark.parametrize("key", ["image_lr", "outer"])
def test_the_text_of_what_is_no_finite_number_is_no_number_without_a_point(word: str, key: str):
    assert refused({"distill": {key: word}}).endswith(
        f"distill.{key}: found the text '{word}', expected a finite number"
    )
