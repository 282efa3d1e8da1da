"""Coresets: herding against an obvious search, forgetting on a history made by hand, whole runs on a tiny data set."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import udd
from udd import methods
from udd.data import Dataset
from udd.errors import UserError
from udd.evaluation.views import every
from udd.methods import coresets, times
from udd.networks.streams import stream
from udd.synthetic.sets import load

COUNTS = (7, 9, 6)


def dataset() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([label for label, count in enumerate(COUNTS) for _ in range(count)])
    labels = labels[torch.randperm(len(labels), generator=generator)]
    images = torch.randint(0, 256, (len(labels), 1, 8, 8), generator=generator, dtype=torch.uint8)
    return Dataset("tiny", ["a", "b", "c"], [0.5], [0.3], images, labels, images[:5], labels[:5])


def config(method: str, ipc: int = 2, seed: int = 0) -> dict:
    base = {"dataset": {"name": "tiny", "kind": "npz"}, "ipc": ipc, "variant": method, "seed": seed, "method": method}
    recipe = {
        "network": "convnet3",
        "width": 4,
        "epochs": 2,
        "batch": 8,
        "lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 5e-4,
    }
    return base if method == "random" else base | {"coreset": recipe}


def slow_herding(rows: torch.Tensor, count: int) -> list[int]:
    mean, chosen = rows.mean(0), []
    for _ in range(count):
        distances = {i: (rows[[*chosen, i]].mean(0) - mean).norm().item() for i in range(len(rows)) if i not in chosen}
        chosen.append(min(distances, key=distances.__getitem__))
    return chosen


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(3, 12), width=st.integers(1, 6), offset=st.floats(0, 100))
def test_herding_is_the_obvious_search(seed, n, width, offset):
    rows = torch.randn(n, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + offset
    assert coresets.herding(rows, n).tolist() == slow_herding(rows, n)


def test_herding_first_takes_what_lies_nearest_to_the_mean():
    assert coresets.herding(torch.tensor([[0.0], [10.0], [4.0], [7.0]]), 1).tolist() == [2]  # the mean is 5.25


def test_forgetting_counts_changes_from_right_to_wrong():
    history = torch.tensor(
        # Examples: never right, always right, learnt late, forgotten once, forgotten twice, first
        # right then lost for good
        [
            [0, 1, 0, 1, 1, 1],
            [0, 1, 0, 0, 0, 0],
            [0, 1, 0, 1, 1, 0],
            [0, 1, 1, 1, 0, 0],
            [0, 1, 1, 1, 1, 0],
        ],
        dtype=torch.bool,
    )
    assert coresets.forgetting_events(history).tolist() == [float("inf"), 0, 0, 1, 2, 1]


def test_most_forgotten_comes_first_and_ties_fall_at_random():
    events = torch.tensor([1.0, torch.inf, 0.0, 3.0, 0.0, 0.0, 0.0])
    picks = [coresets.most_forgotten(events, 4, stream("cpu", seed)).tolist() for seed in range(20)]
    assert all(pick[:3] == [1, 3, 0] for pick in picks)
    assert {pick[3] for pick in picks} == {2, 4, 5, 6}


def test_the_history_has_one_verdict_an_epoch_and_image():
    _, history = coresets.trained(dataset(), config("forgetting")["coreset"] | {"lr": 0.0}, stream("cpu", "x"))
    assert history.shape == (2, sum(COUNTS))
    assert torch.equal(history[0], history[1])  # nothing was learnt, so nothing changed
    assert 0 < history.float().mean() < 1


@pytest.mark.parametrize("method", ["herding", "forgetting"])
def test_the_network_is_trained_by_the_datas_mean_and_deviation_in_their_places(method, monkeypatch):
    given_as, real = [], coresets.train

    def noted(network, images, labels, recipe, mean, std, *rest, **more):
        given_as.append((mean, std))
        real(network, images, labels, recipe, mean, std, *rest, **more)

    monkeypatch.setattr(coresets, "train", noted)
    coresets.coreset(config(method), dataset(), torch.device("cpu"))
    assert given_as == [([0.5], [0.3])]


@pytest.mark.parametrize("method", ["random", "herding", "forgetting"])
def test_a_coreset_has_ipc_different_images_of_every_class(method):
    data = dataset()
    picks = [coresets.coreset(config(method, seed=seed), data, torch.device("cpu")) for seed in (0, 0, 1)]
    assert data.train_labels[picks[0]].tolist() == [0, 0, 1, 1, 2, 2]
    assert len(set(picks[0].tolist())) == 6
    assert torch.equal(picks[0], picks[1])
    if method != "herding":  # which hardly depends on its network here
        assert not torch.equal(picks[0], picks[2])


@pytest.mark.parametrize("method", ["random", "herding", "forgetting"])
def test_ipc_may_be_the_whole_class_and_no_more(method):
    picked = coresets.coreset(config(method, min(COUNTS)), dataset(), torch.device("cpu"))
    assert len(set(picked.tolist())) == 3 * min(COUNTS)
    with pytest.raises(
        UserError, match="tiny, class c: it has 6 training images, but IPC is 7; choose an IPC of 6 or less"
    ):
        coresets.coreset(config(method, 7), dataset(), torch.device("cpu"))


def several(method: str, ipc: int = 1, count: int = 4) -> dict:
    return config(method, ipc) | {"variant": f"{method}-x{count}", "times": count}


@pytest.mark.parametrize("method", ["random", "herding", "forgetting"])
def test_a_multiple_of_ipc_is_what_the_method_chooses_at_that_many(method):
    found = times.coreset(several(method), dataset(), torch.device("cpu"))
    assert torch.equal(found, coresets.coreset(config(method, 4), dataset(), torch.device("cpu")))
    assert methods.modules(several(method)) == ("udd.methods.times",) and methods.modules(config(method)) == (
        "udd.methods.coresets",
    )


def test_random_is_part_of_its_multiples():
    once, often = (
        times.coreset(asked, dataset(), torch.device("cpu")).tolist()
        for asked in (config("random", 1), several("random"))
    )
    assert once == often[::4]


def test_a_multiple_that_a_class_cannot_give_is_named():
    said = (
        "tiny, class c: it has 6 training images, but variant random-x4 takes 4 x IPC 2 = 8; lower IPC or times, or "
        "leave the cell out: datasets.tin"
    )
    with pytest.raises(UserError, match=said):
        times.coreset(several("random", 2), dataset(), torch.device("cpu"))


def test_in_python_a_multiple_is_a_variant():
    made = udd.distill(dataset(), "random-x4", 1, device="cpu")
    assert (
        made.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        and made.metadata["provenance"]["module"] == "udd.methods.times"
    )
    with pytest.raises(UserError, match="ipc 2, 4 times: the smallest class of tiny has 6 training images; lower ipc"):
        udd.distill(dataset(), "random-x4", 2, device="cpu")
    assert torch.bincount(
        udd.distill(dataset(), "random-x4", 2, device="cpu", smaller_classes=True).labels
    ).tolist() == [7, 8, 6]


def test_a_distilled_variant_is_refused():
    with pytest.raises(UserError, match="method is distill, expected random"):
        coresets.coreset(config("random") | {"method": "distill"}, dataset(), torch.device("cpu"))


@pytest.mark.parametrize(("asked", "each"), [(config("random"), 2), (several("random"), 4)])
def test_the_command_writes_a_set_of_real_images(asked, each, tmp_path, monkeypatch):
    data = dataset()
    for module in (coresets, times):
        monkeypatch.setattr(module, "load", lambda manifest, root: data)
    out = tmp_path / "set.safetensors"
    argv = ["--manifest", "m.json", "--root", "r", "--out", str(out), "--device", "cpu", "--config", json.dumps(asked)]
    times.run(argv)
    made, first = load(out), out.read_bytes()
    images, labels = every(made)
    assert labels.tolist() == [0] * each + [1] * each + [2] * each and images.dtype == torch.float32
    for image, label in zip(images, labels, strict=True):
        match = ((image * 255).round().to(torch.uint8) == data.train_images).all((1, 2, 3))
        assert match.sum() == 1 and data.train_labels[match].item() == label
    assert made.metadata["config"] == asked and made.metadata["classes"] == ["a", "b", "c"]
    times.run(argv)
    assert out.read_bytes() == first
