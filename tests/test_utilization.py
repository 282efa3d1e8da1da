"""mUE against a slow reference; reference networks that are stored, found again, and refused when they are others."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from udd.config.drawings import reference_config
from udd.config.params import load as load_params
from udd.data import Dataset
from udd.errors import UserError
from udd.evaluation import reference, utilization
from udd.evaluation.reference import activation_maps, embeddings, load, real_images, save, top_of, train_reference
from udd.evaluation.utilization import measure, spread_experiment, utilisation
from udd.synthetic.sets import SyntheticSet
from udd.synthetic.sets import save as save_set

RECIPE = {
    "network": "convnet3",
    "width": 4,
    "networks": 2,
    "epochs": 1,
    "batch": 8,
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 5e-4,
}
RECIPE |= {"percentile": 99.0, "images": 10}
CONFIG = {"dataset": {"name": "toy", "kind": "digits"}, "utilization": RECIPE}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def toy(count: int = 16) -> Dataset:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(count) % 2
    return Dataset("toy", ["a", "b"], [0.5], [0.3], images, labels, images, labels)


def slow_utilisation(values, top, intervals):
    """Eq. 12 with H / log d, one value at a time."""
    total = 0.0
    for d in intervals:
        counts = [0] * d
        for value in values:
            counts[min(int(value * d / top), d - 1)] += 1
        shares = [count / len(values) for count in counts]
        total += -sum(share * math.log(share) for share in shares if share > 0) / math.log(d)
    return total / len(intervals)


def test_utilisation_is_the_slow_reference():
    # Some above the top
    values = torch.rand(7, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1.3
    expected = [slow_utilisation(row, 1.0, [5, 6, 10]) for row in values.tolist()]
    assert utilisation(values, 1.0, [5, 6, 10]).tolist() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 100, width=32), min_size=1, max_size=40),
    st.floats(0.01, 100),
    st.lists(st.integers(2, 12), min_size=1, max_size=4),
)
def test_utilisation_lies_between_0_and_1(values, top, intervals):
    found = utilisation(torch.tensor([values]), top, intervals).item()
    assert 0 <= found <= 1


def test_utilisation_at_its_ends():
    assert utilisation(torch.full((1, 9), 0.4), 1.0, [5, 7]).item() == 0
    assert utilisation((torch.arange(10).double() + 0.5).div(10).unsqueeze(0), 1.0, [5, 10]).item() == pytest.approx(1)


def test_normal_samples_of_growing_spread_rise_and_flatten():
    found = [
        result["mue"]
        for result in spread_experiment([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0], [5, 6, 7, 8, 9, 10], samples=200)
    ]
    steps = np.diff(found)
    assert (steps > 0).all()
    assert steps[-1] < 0.02 < steps[1]


def test_measure_averages_over_networks_and_images():
    reference = train_reference(toy(), CONFIG, torch.device("cpu"))
    images = toy().train_images[:5]
    expected = [
        np.mean(
            [
                slow_utilisation(row, top, [5, 8])
                for row in activation_maps(network, images, [0.5], [0.3]).flatten(1).tolist()
            ]
        )
        for network, top in zip(reference.networks, reference.tops, strict=True)
    ]
    found = measure(images, reference, [5, 8])
    assert found["by_network"] == pytest.approx(expected, abs=1e-6)
    assert found["mue"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert found["mue_printed"] == pytest.approx(1 - found["mue"])
    assert found["mue_printed_letter"] == pytest.approx(1 - found["mue"] / found["activations"])
    assert found["mue_std"] == pytest.approx(np.std(found["by_image"], ddof=1), abs=1e-5)
    assert found["images"] == 5


def test_reference_networks_come_back_from_their_file_with_the_same_bits(tmp_path):
    reference = train_reference(toy(), CONFIG, torch.device("cpu"))
    path = tmp_path / "toy.safetensors"
    save(path, reference)
    again = load(path)
    images = toy().train_images
    for ours, theirs in zip(reference.networks, again.networks, strict=True):
        assert torch.equal(activation_maps(ours, images, [0.5], [0.3]), activation_maps(theirs, images, [0.5], [0.3]))
        assert embeddings(ours, images, [0.5], [0.3]).shape == (16, 4)
    assert again.tops == reference.tops and again.metadata == reference.metadata
    save(tmp_path / "again.safetensors", train_reference(toy(), CONFIG, torch.device("cpu")))
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_reference_networks_that_are_not_whole_are_refused(tmp_path):
    path = tmp_path / "toy.safetensors"
    with pytest.raises(UserError, match="no such reference networks"):
        load(path)
    save(path, train_reference(toy(), CONFIG, torch.device("cpu")))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a whole file of reference networks"):
        load(path)


def test_a_network_that_sees_nothing_is_refused():
    with pytest.raises(UserError, match="expected more than 0"):
        top_of(torch.zeros(2, 3, 3), 99.0)


def test_the_top_of_the_range_is_the_percentile_of_all_activations():
    assert top_of(torch.arange(101.0).view(1, 1, 101), 90.0) == 90


def test_each_reference_network_starts_from_other_weights():
    one, other = train_reference(toy(), CONFIG, torch.device("cpu")).networks
    assert not torch.equal(one.classifier.weight, other.classifier.weight)


def test_each_reference_network_has_the_top_of_its_own_maps_of_the_real_images(monkeypatch):
    """All are trained by the data's mean and deviation in their places."""
    given_as, real = [], reference.train

    def noted(network, images, labels, recipe, mean, std, generator):
        given_as.append((mean, std))
        real(network, images, labels, recipe, mean, std, generator)

    monkeypatch.setattr(reference, "train", noted)
    found = train_reference(toy(), CONFIG, torch.device("cpu"))
    seen = real_images(toy(), 10)
    assert found.tops == [top_of(activation_maps(each, seen, [0.5], [0.3]), 99.0) for each in found.networks]
    assert found.tops[0] != found.tops[1] and given_as == [([0.5], [0.3])] * 2


def test_real_images_are_chosen_by_the_data_set_alone():
    assert torch.equal(real_images(toy(), 5), real_images(toy(), 16)[:5])
    assert len(real_images(toy(), 1000)) == 16


def test_the_number_of_intervals_does_not_train_networks_again():
    params = load_params(["params.yaml"])
    assert "intervals" not in reference_config(params, "cifar10")["utilization"]


def saved(tmp_path, count: int = 2):
    images = toy().train_images[:count].float() / 255
    empty = torch.zeros(0, 4, dtype=torch.int64)
    config = {"dataset": CONFIG["dataset"], "ipc": 1, "variant": "udd", "seed": 0, "method": "random"}
    metadata = {
        "dataset": "toy",
        "classes": ["a", "b"],
        "mean": [0.5],
        "std": [0.3],
        "whole": True,
        "config": config,
        "provenance": {},
    }
    save_set(tmp_path / "set.safetensors", SyntheticSet(images, torch.arange(count), empty, metadata))
    save(tmp_path / "proxies.safetensors", train_reference(toy(), CONFIG, torch.device("cpu")))
    return {"set": config, "utilization": RECIPE | {"intervals": [5, 6]}}


def call(tmp_path, config):
    files = {"--proxies": "proxies.safetensors", "--set": "set.safetensors", "--out": "out.json"}
    options = [part for option, name in files.items() for part in (option, str(tmp_path / name))]
    utilization.run(["--config", json.dumps(config), "--device", "cpu", *options])
    return json.loads((tmp_path / "out.json").read_text())


def test_the_command_measures_a_set(tmp_path):
    config = saved(tmp_path)
    found = call(tmp_path, config)
    assert found["config"] == config and found["images"] == 2 and len(found["by_image"]) == 2
    assert 0 <= found["mue"] <= 1


def test_the_command_refuses_another_set_or_other_reference_networks(tmp_path):
    config = saved(tmp_path)
    with pytest.raises(UserError, match="a set of another configuration: seed is 0, planned 1"):
        call(tmp_path, config | {"set": config["set"] | {"seed": 1}})
    with pytest.raises(
        UserError, match="reference networks of another configuration: utilization.epochs is 1, planned 2"
    ):
        call(tmp_path, config | {"utilization": config["utilization"] | {"epochs": 2}})
