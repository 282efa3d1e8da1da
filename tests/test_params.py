"""params.yaml: read, laid over; its defaults, and what the schema says of each key."""

import re
from copy import deepcopy

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


@pytest.mark.parametrize("section", sections.names())
def test_what_is_left_out_takes_its_default(section):
    less = {name: value for name, value in params().items() if name != section}
    assert check(less) == check(params())
    key, *_ = params()[section]
    assert check(less | {section: {key: params()[section][key]}}) == check(params())


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


@pytest.mark.parametrize("over", [["demo"], ["cpu"], ["cpu", "cpu-ipc10"], ["cpu", "cpu-long"]])
def test_the_files_that_are_laid_over_are_sound(over):
    assert load([ROOT / "params.yaml", *(ROOT / "experiments" / f"{name}.yaml" for name in over)])["tables"]["main"]
