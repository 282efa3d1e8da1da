"""params.yaml: read, laid over, and refused in one line that names the key."""

import re
from copy import deepcopy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import ROOT, params

from udd.config import sections
from udd.config.params import check, load, overlay
from udd.errors import UserError

FILE = ROOT / "params.yaml"
few = settings(deadline=None, max_examples=40)
TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers() | st.lists(st.integers(), max_size=2),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@few
@given(TREES, TREES)
def test_an_overlay_replaces_values_and_keeps_the_rest(base, over):
    before = deepcopy((base, over))
    both = overlay(base, over)
    assert (base, over) == before
    assert both.keys() == base.keys() | over.keys()
    for key in both:
        if key not in over:
            assert both[key] == base[key]
        elif isinstance(over[key], dict) and isinstance(base.get(key), dict):
            assert both[key] == overlay(base[key], over[key])
        else:
            assert both[key] == over[key]
    assert overlay(base, {}) == base and overlay({}, over) == over and overlay(base, base) == base


def test_files_are_laid_over_one_another(tmp_path):
    (tmp_path / "over.yaml").write_text("distill: {outer: 7}\nseeds: {distill: [5]}\n")
    both = load([FILE, tmp_path / "over.yaml"])
    assert both["distill"] == params()["distill"] | {"outer": 7}
    assert both["seeds"] == {"distill": [5], "evaluate": [0, 1, 2, 3, 4]}


def test_the_defaults_are_the_papers():
    distill = params()["distill"] | params()["udd"]
    paper = {
        "outer": 2000,
        "inner": 100,
        "selected": 8,
        "policy": "jitter",
        "jitter": "gaussian",
        "jitter_sigma": 0.05,
        "jitter_copies": 2,
    }
    paper |= {
        "max_pairs": 128,
        "batch_real": 64,
        "distance": "mse",
        "matched": "convolutions",
        "cfc": True,
        "cfc_temperature": 0.7,
        "cfc_average": 0.5,
    }
    paper |= {"image_lr": 0.005, "image_momentum": 0.5, "image_lr_decay_at": [0.6, 0.8, 0.9], "image_lr_decay": 0.5}
    paper |= {
        "net_lr": 0.01,
        "net_momentum": 0.9,
        "net_weight_decay": 5e-4,
        "net_batch": 64,
        "net_images": 2000,
        "cutmix_beta": 1.0,
        "cutmix_p": 0.5,
    }
    assert {key: distill[key] for key in paper} == paper
    for name, rate in (("mnist", 1e-4), ("fashionmnist", 1e-4 * (28 / 32) ** 2)):
        assert params()["datasets"][name]["distill"].items() >= {"image_lr": rate, "net_images": 500}.items()
        assert all(params()["datasets"][name][method] == {"distance": "l1"} for method in ("udd", "idc"))
    imagenet = params()["datasets"]["imagenet10"]
    assert (
        imagenet["distill"].items()
        >= {"network": "resnetap10", "image_lr": 3e-3, "pretrain_epochs": 10, "factor": 3}.items()
    )
    expected = "n02869837 n01749939 n02488291 n02107142 n13037406 n02091831 n04517823 n04589890 n03062245 n01773797"
    assert imagenet["classes"] == expected.split() and imagenet["size"] == 224


def test_every_key_is_explained():
    schema = sections.schema()
    parts = [schema["$defs"][name] for name in (*sections.names(), "request")]
    for section in [
        schema["properties"]["datasets"]["additionalProperties"],
        schema["properties"]["variants"]["additionalProperties"],
        *parts,
    ]:
        for key, value in section["properties"].items():
            assert "$ref" in value or len(value.get("description", "")) > 3, key
    for name in sections.names():
        assert all(len(about["description"]) > 3 for about in sections.section(name)["properties"].values())


SYMBOLS = {  # section: key: the symbol of its paper
    "distill": {"net_lr": "eta", "cutmix_beta": "beta"},
    "udd": {
        "scales": "N",
        "selected": "P",
        "jitter_copies": "M",
        "jitter_sigma": "sigma",
        "cfc_temperature": "tau",
        "cfc_average": "alpha",
    },
    "idc": {"cfc_temperature": "tau", "cfc_average": "alpha"},
    "utilization": {"intervals": "D"},
    "evaluate": {"cutmix_beta": "beta"},
    "dd": {"rate": "eta"},
    "mtt": {"steps": "N", "expert_ages": "M", "last_start": "T+", "rate": "alpha"},
    "cafe": {"settled": "lambda_1", "moved": "lambda_2"},
    "kip": {"ridge": "lambda"},
    "ncfm": {"frequencies": "T"},
}


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_description_names_the_papers_symbol(name):
    about = sections.section(name)["properties"]
    for key, symbol in SYMBOLS[name].items():
        assert symbol in re.findall(r"[A-Za-z_]+\d*\+?", about[key]["description"]), key


def test_params_yaml_spells_the_defaults_of_the_schema():
    written = yaml.safe_load(FILE.read_text())
    for name in sections.names():
        assert written[name] == sections.defaults(name)


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
    ({"seeds": {"evaluate": [1, 1]}}, "seeds.evaluate: found [1, 1], expected no repetition"),
    ({"seeds": [1]}, "seeds: found [1], expected a value of type object"),
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


@pytest.mark.parametrize("section", sections.names())
def test_what_is_left_out_takes_its_default(section):
    less = {name: value for name, value in params().items() if name != section}
    assert check(less) == check(params())
    key, *_ = params()[section]
    assert check(less | {section: {key: params()[section][key]}}) == check(params())


def test_a_section_that_is_missing_is_named():
    with pytest.raises(UserError, match="params.yaml: the file: 'variants' is a required property"):
        check({key: value for key, value in params().items() if key != "variants"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file; run from the repository's root"),
        (b"a: [1", "not YAML"),
        (b"\xff\xfe\xff", "expected text in UTF-8"),
        (b"", "found NoneType"),
        (b"- 1", "found list"),
    ],
)
def test_a_file_that_is_missing_or_no_mapping_is_named(tmp_path, content, words):
    path = tmp_path / "over.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words) as error:
        load([FILE, path])
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


def test_an_error_after_an_overlay_names_the_files(tmp_path):
    (tmp_path / "over.yaml").write_text("distill: {image_lr: 1e-4}\n")
    with pytest.raises(UserError, match="params.yaml . .*over.yaml: distill.image_lr: found the text '1e-4'"):
        load([FILE, tmp_path / "over.yaml"])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value):
    assert f"distill.image_lr: found {value}, expected a finite number" in refused({"distill": {"image_lr": value}})
    assert f"datasets.svhn.evaluate.decay_at.1: found {value}, expected" in refused(
        {"datasets": {"svhn": {"evaluate": {"decay_at": [0.5, value]}}}}
    )


@pytest.mark.parametrize("over", [["demo"], ["cpu"], ["cpu", "cpu-ipc10"], ["cpu", "cpu-long"]])
def test_the_files_that_are_laid_over_are_sound(over):
    assert load([ROOT / "params.yaml", *(ROOT / "experiments" / f"{name}.yaml" for name in over)])["tables"]["main"]
