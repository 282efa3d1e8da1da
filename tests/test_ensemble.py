"""Networks trained at once go the way that each goes alone; in float64 on the CPU with the same bits, however many go beside it."""

from typing import Any

import pytest
import torch
from test_evaluate import CONFIG, RECORD, a_set, dataset
from tiny import captured, network, noise

from udd.errors import UserError
from udd.evaluation import accuracy as evaluate
from udd.evaluation import job as evaluation_job
from udd.evaluation.views import every
from udd.networks import ensemble
from udd.networks.architectures import Network
from udd.networks.streams import stream
from udd.networks.training import accuracy, train

FULL_RECIPE = {
    "epochs": 3, "batch": 4, "lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "decay_at": [0.6667], "decay": 0.2,
    "augment": ["color", "crop|flip", "cutout"], "cutmix_beta": 1.0, "cutmix_p": 0.5,
}  # fmt: skip
MEAN, STD = torch.tensor([0.4, 0.5, 0.6], dtype=torch.float64), torch.tensor([0.3, 0.2, 0.3], dtype=torch.float64)
IMAGES, LABELS = noise(10, 3, 8, 8), torch.arange(10) % 3


def start(seed: int, name: str = "convnet3") -> Network:
    return network(width=8 if name == "alexnet" else 4, name=name, seed=seed)


def alone(seed: int, recipe: dict[str, Any], name: str = "convnet3") -> Network:
    made = start(seed, name)
    train(made, IMAGES, LABELS, recipe, MEAN, STD, stream("cpu", "train", seed))
    return made


def together(seeds: list[int], recipe: dict[str, Any], name: str = "convnet3", run=ensemble.losses) -> tuple[ensemble.Weights, list[int]]:
    seen: list[ensemble.Weights] = []
    networks, generators = [start(seed, name) for seed in seeds], [stream("cpu", "train", seed) for seed in seeds]
    broken = ensemble.train(networks, IMAGES, LABELS, recipe, MEAN, STD, generators, lambda _, weights, broken: seen.append(weights), run)
    return seen[-1], broken.tolist()


def near(a: torch.Tensor, b: torch.Tensor) -> None:
    """Equal but for the order in which a plain and a grouped convolution add up; later steps enlarge the difference."""
    assert a.dtype == b.dtype == torch.float64
    torch.testing.assert_close(a, b, rtol=0, atol=1e-8 * b.abs().max().item())


@pytest.mark.parametrize("name", ["convnet3", "resnet18", "vgg11", "alexnet", "resnetap10"])
def test_each_network_goes_its_own_way_with_the_same_bits_in_any_company(name):
    weights, broken = together([0, 1, 2], FULL_RECIPE, name)
    assert broken == [0, 0, 0]
    for number in range(3):
        for key, weight in alone(number, FULL_RECIPE, name).named_parameters():
            near(weights[key][number], weight)
    for seeds in ([2, 0], [1]):
        fewer, _ = together(seeds, FULL_RECIPE, name)
        assert all(torch.equal(fewer[key], weights[key][seeds]) for key in weights)


def test_what_a_recipe_leaves_out_is_not_done():
    plain = {key: FULL_RECIPE[key] for key in ("epochs", "batch", "lr", "momentum", "weight_decay")}
    weights, _ = together([3], plain)
    for key, weight in alone(3, plain).named_parameters():
        near(weights[key][0], weight)


def test_bytes_are_trained_on_in_float32():
    images, networks = (IMAGES * 255).byte(), [start(seed).float() for seed in (0, 1)]
    last: list[ensemble.Weights] = []
    streams = [stream("cpu", "train", seed) for seed in (0, 1)]
    ensemble.train(networks, images, LABELS, FULL_RECIPE, MEAN.tolist(), STD.tolist(), streams, lambda _, weights, broken: last.append(weights))
    for number in (0, 1):
        made = start(number).float()
        train(made, images, LABELS, FULL_RECIPE, MEAN.tolist(), STD.tolist(), stream("cpu", "train", number))
        for key, weight in made.named_parameters():
            assert last[-1][key].dtype == torch.float32
            torch.testing.assert_close(last[-1][key][number], weight, rtol=1e-3, atol=1e-4)


def test_a_network_that_breaks_does_not_touch_the_others():
    networks = [start(seed) for seed in (0, 1)]
    with torch.no_grad():
        networks[0].classifier.weight.fill_(torch.inf)
    last: list[ensemble.Weights] = []
    streams = [stream("cpu", "train", seed) for seed in (0, 1)]
    broken = ensemble.train(networks, IMAGES, LABELS, FULL_RECIPE, MEAN, STD, streams, lambda _, weights, broken: last.append(weights))
    assert broken.tolist() == [1, 0] and len(last) == 3
    for key, weight in alone(1, FULL_RECIPE).named_parameters():
        near(last[-1][key][1], weight)
    streams = [stream("cpu", "train", 0)]
    assert ensemble.train(networks[:1], IMAGES, LABELS, FULL_RECIPE, MEAN, STD, streams, lambda *_: last.append({})).tolist() == [1]
    assert len(last) == 3  # it ended with the first epoch


def test_accuracies_are_those_of_each_network():
    weights, _ = together([0, 1, 2], FULL_RECIPE)
    images, labels = noise(130, 3, 8, 8, seed=5), torch.arange(130) % 3
    images[labels == 1] = images[labels == 1] ** 2  # darker, so that not all are taken for the same
    found = ensemble.accuracies(start(0), weights, images, labels, MEAN, STD)
    assert found == [accuracy(alone(number, FULL_RECIPE), images, labels, MEAN, STD) for number in range(3)]


def test_it_is_captured_whole_by_the_compiler():
    weights, _ = together([0, 1], FULL_RECIPE | {"epochs": 1})
    found, _ = together([0, 1], FULL_RECIPE | {"epochs": 1}, run=captured(ensemble.losses))
    for key, weight in weights.items():
        torch.testing.assert_close(found[key], weight, rtol=1e-9, atol=1e-12)


def test_records_made_at_once_are_those_made_one_by_one():
    configs, data, cpu = [CONFIG | {"network": number} for number in (4, 7)], dataset(), torch.device("cpu")
    images, labels = every(a_set())
    work = evaluate.Work(images, labels, None, len(images))
    found = evaluate.evaluate_together(configs, data, work, cpu)
    assert found == [evaluate.evaluate(config, data, work, cpu) for config in configs]


def broken_network(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From now on the network of this number starts with a weight that is no number."""
    build = evaluate.begin

    def begin(config, *rest):
        network, generator = build(config, *rest)
        if config["network"] == number:
            with torch.no_grad():
                network.network.classifier.weight[0, 0] = torch.nan
        return network, generator

    monkeypatch.setattr(evaluate, "begin", begin)


def test_one_network_that_fails_leaves_the_others_their_results(monkeypatch, capsys):
    images, labels = every(a_set())
    work, kept = evaluate.Work(images, labels, None, len(images)), []
    monkeypatch.setattr(evaluation_job, "training_set", lambda *_: (work, {}))
    monkeypatch.setattr(evaluation_job, "at_once", lambda networks, device, work: [networks])
    broken_network(monkeypatch, 7)
    with pytest.raises(UserError, match="the loss is not finite \\(epoch 1 of 8"):
        evaluation_job.record(RECORD, [4, 7], dataset(), None, torch.device("cpu"), {}, kept.append)
    assert kept[-1]["networks"].keys() == {"4"}
    assert "network 4 epoch 8/8" in (said := capsys.readouterr().err) and "network 7" not in said


def test_networks_that_do_not_fit_together_go_in_halves(monkeypatch):
    asked: list[list[int]] = []

    def evaluations(configs, *rest):
        asked.append([config["network"] for config in configs])
        if len(configs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [{"config": config} for config in configs]

    monkeypatch.setattr(evaluation_job, "evaluations", evaluations)
    configs, work = [{"network": number} for number in range(5)], evaluate.Work(torch.zeros(1), torch.zeros(1), None, 1)
    found = evaluation_job.attempted(configs, dataset(), work, torch.device("cpu"))
    assert found == [{"config": config} for config in configs]
    assert asked == [[0, 1, 2, 3, 4], [0, 1], [2, 3, 4], [2], [3, 4]]


def test_on_a_gpu_the_networks_of_a_record_are_trained_at_once_unless_each_has_its_own_views():
    work = evaluate.Work(torch.zeros(1), torch.zeros(1), None, 1)
    assert evaluation_job.at_once([0, 1, 5], torch.device("cuda"), work) == [[0, 1, 5]]
    assert evaluation_job.at_once([0, 1], torch.device("cpu"), work) == [[0], [1]]
    assert evaluation_job.at_once([0, 1], torch.device("cuda"), work._replace(views=lambda *_: None)) == [[0], [1]]
