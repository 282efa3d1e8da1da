"""A distillation's bits: the same again, after every cut, logged or not; of every method."""

from typing import Any

import pytest
import torch
from runs import Run, same, states
from tiny import config, dataset, of_method, params

from udd.config import plan
from udd.runs import checkpoint


def with_clusters(made: dict[str, Any]) -> dict[str, Any]:
    return made | {"distill": made["distill"] | {"real_batch": "clusters", "cluster_every": 2}}


# As quick as may be
CAFE = params()["cafe"] | {"watched": 4, "net_epochs": 12, "net_batch": 4, "moved": 0.0, "settled": 2.0}
KIP = params()["kip"] | {"kernel": "convolutional", "learn_labels": True}
MTT = params()["mtt"] | {"steps": 3, "batch": 4, "rate_lr": 1e-9}
CASES: dict[str, dict[str, Any]] = {
    "jitter": config(),
    "vote, pairs drawn": config(policy="vote", max_pairs=4, pretrain_epochs=1),
    "grid": config(method="idc", init="mix", net_momentum=0.0),
    "random": config(policy="random", ipc=1),
    "clusters": config(method="idc", real_batch="clusters", cluster_every=2),
    "clusters, cached": config(method="idc", real_batch="clusters", networks="cached"),
    "clusters, own networks": with_clusters(of_method("dsa")),
    "clusters, experts": with_clusters(of_method("dance")),
    "dm": of_method("dm"),
    "dsa": of_method("dsa"),
    "dc": of_method("dc"),
    "dd": of_method("dd"),
    "cafe": of_method("cafe", inner=4) | {"cafe": CAFE},
    "kip": of_method("kip"),
    "kip, convolutional, labels": of_method("kip") | {"kip": KIP},
    "mtt": of_method("mtt", cache_ages=4, image_lr=0.1) | {"mtt": MTT},
    "dance": of_method("dance"),
    "ncfm": of_method("ncfm"),
    "udd-features": of_method("udd-features"),
}


def test_every_method_is_here():
    assert {made["method"] for made in CASES.values()} == {
        plan.method(params(), name) for name in plan.distilled(params())
    }


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_bits(case):
    data = dataset()
    first, second = states(CASES[case], data), states(CASES[case], data)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    other = states(CASES[case] | {"seed": 1}, data)
    assert not torch.equal(first[-1]["state/images"], other[-1]["state/images"])


@pytest.mark.parametrize("case", CASES)
def test_a_run_cut_at_every_step_and_resumed_has_the_same_bits(case, tmp_path):
    made, data, path = CASES[case], dataset(), tmp_path / "checkpoint"
    made = made | {"distill": made["distill"] | {"inner": 3}}
    for expected in states(made, data):
        run = Run(made, data, path)
        run.advance(False)
        assert same(run.everything(), expected)
        checkpoint.save(path, run.trajectory, run.kept())
        assert same(run.everything(), expected)


def test_logging_changes_no_bit():
    data = dataset()
    quiet, loud = Run(config(), data), Run(config(), data)
    for _ in range(4):
        quiet.advance(False)
        loud.advance(True)
    assert same(quiet.everything(), loud.everything())
