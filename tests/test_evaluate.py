"""Evaluation end to end on a tiny data set and set, and everything that it must refuse."""

import json

import pytest
import torch

from udd.data import Dataset
from udd.errors import UserError
from udd.evaluation import accuracy as evaluate
from udd.evaluation import records as evaluation_records
from udd.evaluation.views import every
from udd.synthetic.sets import SyntheticSet, save

OWN = {
    "policy": "activation", "decode": "regions", "selected": 2, "search_layer": "last", "ranking": "plain",
    "jitter": "gaussian",
    "jitter_sigma": 0.05, "jitter_copies": 2,
}  # fmt: skip
TINY = {"name": "tiny", "kind": "npz"}
SET = {
    "dataset": TINY,
    "ipc": 2,
    "variant": "udd",
    "seed": 0,
    "method": "udd",
    "distill": {"network": "convnet3"},
    "udd": OWN,
}
RECIPE = {
    "width": 8, "epochs": 8, "batch": 4, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
    "decay_at": [0.6667, 0.8333], "decay": 0.2, "augment": ["color"], "cutmix_beta": 1.0, "cutmix_p": 0.5,
    "precision": "float32", "views": "all", "steps": 0, "checkups": 4, "compile": "never",
}  # fmt: skip
RECORD = {"set": SET, "architecture": "convnet3", "protocol": "idc", "evaluate": RECIPE}
CONFIG = RECORD | {"network": 0}


def images(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n) % 2
    stripes = (torch.arange(8) % 2) * 0.7
    pattern = torch.stack([stripes.expand(8, 8), stripes.view(8, 1).expand(8, 8)])[labels].unsqueeze(1)
    return pattern + 0.3 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)), labels


def dataset() -> Dataset:
    train, test = images(30, 0), images(21, 1)
    return Dataset(
        "tiny", ["across", "down"], [0.5], [0.4], (train[0] * 255).byte(), train[1], (test[0] * 255).byte(), test[1]
    )


def a_set(**changes) -> SyntheticSet:
    pixels, labels = images(4, 2)
    boxes = torch.tensor([[0, 0, 4, 4], [4, 4, 4, 4], [0, 4, 4, 4]])
    metadata = {
        "dataset": "tiny",
        "classes": ["across", "down"],
        "mean": [0.5],
        "std": [0.4],
        "whole": True,
        "config": SET,
    }
    return SyntheticSet(pixels, labels, boxes, metadata)._replace(**changes)


def with_metadata(**changes) -> SyntheticSet:
    return a_set(metadata=a_set().metadata | changes)


def command(config: dict, path, out) -> list[str]:
    given = ["--set", str(path)] if path else []
    return [
        "--config",
        json.dumps(config),
        "--manifest",
        str(out.parent / "m"),
        "--root",
        "r",
        "--out",
        str(out),
        "--device",
        "cpu",
        *given,
    ]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command on a set (None: without one) and return the record."""
    monkeypatch.setattr(evaluation_records, "load", lambda manifest, root: dataset())

    def call(config: dict, made: SyntheticSet | None = None, networks: tuple[int, ...] = (0,)) -> dict:
        path, out = tmp_path / "set.safetensors", tmp_path / "record.json"
        if made:
            save(path, made)
        (tmp_path / "m").write_text("a manifest")
        evaluation_records.run(command(config | {"networks": networks}, path if made else None, out))
        found = json.loads(out.read_text())
        return found | found["networks"].get("0", {})

    return call


def test_a_record_says_what_was_measured_and_how(run):
    record = run(RECORD, a_set())
    assert record["format"] == 2 and record["config"] == RECORD
    assert [epoch for epoch, _ in record["checkups"]] == [2, 4, 6, 8]
    values = [value for _, value in record["checkups"]]
    assert record["accuracy"] == values[-1] and record["accuracy_best"] == max(values)
    assert record["stored_images"] == 4 and record["decoded_images"] == 4 + 12
    assert (record["epochs"], record["steps"]) == (8, 8 * 4)
    assert record["stored_bytes"] == 4 * (64 * 4 + 8) + 3 * 4 * 8  # pixels and label an image; 4 numbers a window
    assert record["seconds"] > 0 and record["provenance"]["module"] == "udd.evaluation.accuracy"


def test_each_line_of_the_log_names_its_record_and_network(run, capsys):
    run(RECORD, a_set(), networks=(3,))
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        f"tiny/ipc2/udd/seed0/idc/convnet3 network 3 epoch {epoch}/8" for epoch in (2, 4, 6, 8)
    ]


def test_a_further_network_is_trained_alone_and_joins_the_others(run, capsys):
    first = run(RECORD, a_set(), networks=(0, 1))
    capsys.readouterr()
    both = run(RECORD, a_set(), networks=(0, 1, 5))
    assert "network 5" in (said := capsys.readouterr().err) and "network 0" not in said and "network 1" not in said
    assert (
        both["networks"].keys() == {"0", "1", "5"}
        and {name: both["networks"][name] for name in ("0", "1")} == first["networks"]
    )


def test_a_record_of_something_else_is_made_anew_and_gone_if_that_fails(run, tmp_path, monkeypatch):
    run(RECORD, a_set(), networks=(0, 1))
    other = run(RECORD | {"evaluate": RECIPE | {"epochs": 1}}, a_set())
    assert other["networks"].keys() == {"0"}
    with pytest.raises(UserError, match="loss is not finite"):
        run(RECORD, a_set(images=torch.full((4, 1, 8, 8), torch.nan)))
    assert not (tmp_path / "record.json").exists() or not json.loads((tmp_path / "record.json").read_text())["networks"]


SHORT = RECORD | {"evaluate": RECIPE | {"epochs": 1}}


def test_a_record_has_the_accuracy_on_each_class_and_no_bit_of_the_training_depends_on_it(run, tmp_path):
    found, counts = run(SHORT, a_set()), dataset().test_labels.bincount().tolist()
    together = sum(value * count for value, count in zip(found["by_class"], counts, strict=True)) / sum(counts)
    assert together == pytest.approx(found["accuracy"])
    work, _ = evaluate.training_set(SHORT, dataset(), tmp_path / "set.safetensors")
    assert found["checkups"] == [
        list(each)
        for each in evaluate.evaluate(SHORT | {"network": 0}, dataset(), work, torch.device("cpu"))["checkups"]
    ]


def test_what_a_job_has_done_outlives_its_failure_even_if_its_record_is_removed(run, tmp_path, monkeypatch):
    run(SHORT, a_set())
    real, out, part = evaluation_records.evaluate, tmp_path / "record.json", tmp_path / "record.json.part"

    def failing(config, *rest):
        if config["network"] == 1:
            raise UserError("training: the loss is not finite")
        return real(config, *rest)

    monkeypatch.setattr(evaluation_records, "evaluate", failing)
    with pytest.raises(UserError, match="not finite"):
        run(SHORT, a_set(), (0, 1, 2))
    assert list(json.loads(out.read_text())["networks"]) == ["0"]
    done = json.loads(part.read_text())["networks"]
    out.unlink()  # as Snakemake does
    monkeypatch.setattr(
        evaluation_records, "evaluate", lambda config, *rest: real(config, *rest) if config["network"] == 1 else 1 / 0
    )
    networks = run(SHORT, a_set(), (0, 1, 2))["networks"]
    assert (
        list(done) == ["0", "2"]
        and {seed: networks[seed] for seed in done} == done
        and networks.keys() == {"0", "1", "2"}
    )
    assert not part.exists()


HARMS = {
    "another manifest": lambda folder: (folder / "m").write_text("another"),
    "truncated": lambda folder: (folder / "record.json").write_text("{"),
    "a list": lambda folder: (folder / "record.json").write_text("[]"),
    "an older format": lambda folder: replaced(folder / "record.json", format=1),
    "no networks": lambda folder: replaced(folder / "record.json", networks=None),
    "another code": lambda folder: replaced(folder / "record.json", provenance={"code": "another"}),
}


def replaced(path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("harm", HARMS)
def test_networks_of_anything_else_are_not_kept(run, tmp_path, harm):
    run(SHORT, a_set())
    HARMS[harm](tmp_path)
    argv = command(SHORT | {"networks": [1]}, tmp_path / "set.safetensors", tmp_path / "record.json")
    evaluation_records.run(argv)
    assert list(json.loads((tmp_path / "record.json").read_text())["networks"]) == ["1"]


@pytest.mark.parametrize(("reading", "decoded"), [("none", 4), ("searched", 12), ("random", 12), ("all", 16)])
def test_the_protocol_says_which_views_are_trained_on(run, reading, decoded):
    record = run(RECORD | {"evaluate": RECIPE | {"views": reading, "epochs": 1}}, a_set())
    assert record["decoded_images"] == decoded and record["steps"] == decoded / 4
    assert len(record["checkups"]) == 1  # one epoch is all four check-ups


def test_a_protocol_of_equal_steps_gives_each_set_its_epochs(run):
    found = [
        run(RECORD | {"evaluate": RECIPE | {"steps": 12, "views": reading}}, a_set()) for reading in ("none", "all")
    ]
    assert [(each["epochs"], each["steps"]) for each in found] == [(12, 12), (3, 12)]


def test_the_full_data_set_needs_no_set(run):
    full = {"dataset": SET["dataset"], "ipc": "all", "variant": "full", "seed": 0, "method": "full"}
    record = run(RECORD | {"set": full, "evaluate": RECIPE | {"epochs": 20}})
    assert record["accuracy"] >= 90  # stripes are easy
    assert record["stored_images"] == record["decoded_images"] == 30
    assert record["stored_bytes"] == 30 * 64 + 30 * 8


def test_the_same_configuration_gives_the_same_record(run, tmp_path):
    short = RECORD | {"evaluate": RECIPE | {"epochs": 3}}
    first, again = run(short, a_set()), run(short, a_set())
    assert first == again  # the second takes the first one's networks
    (tmp_path / "record.json").unlink()
    anew = run(short, a_set())
    assert {name: anew[name] for name in ("accuracy", "checkups")} == {
        name: first[name] for name in ("accuracy", "checkups")
    }


def test_network_seed_and_set_seed_choose_the_network_and_the_variant_does_not(monkeypatch):
    seen, data = [], dataset()

    def note(network, images, labels, recipe, mean, std, generator, after_epoch, views):
        seen.append(network.network.classifier.weight.sum().item())
        after_epoch(recipe["epochs"])

    monkeypatch.setattr(evaluate, "train", note)
    for config in (
        CONFIG,
        CONFIG | {"set": SET | {"variant": "udd-all"}},
        CONFIG | {"network": 1},
        CONFIG | {"set": SET | {"seed": 1}},
    ):
        evaluate.evaluate(
            config, data, evaluate.TrainingSet(data.train_images, data.train_labels, None, 30), torch.device("cpu")
        )
    assert seen[0] == seen[1] and len(set(seen)) == 3


def test_a_network_learns_in_bfloat16_as_well(run):
    full = {"dataset": SET["dataset"], "ipc": "all", "variant": "full", "seed": 0, "method": "full"}
    record = run(RECORD | {"set": full, "evaluate": RECIPE | {"epochs": 20, "precision": "bfloat16"}})
    assert record["accuracy"] >= 90


def test_checkups_are_evenly_spaced_and_end_at_the_end():
    assert evaluate.checkup_epochs(1000, 4) == {250, 500, 750, 1000}
    assert evaluate.checkup_epochs(3, 4) == {1, 2, 3}
    assert evaluate.checkup_epochs(1, 4) == {1} and evaluate.checkup_epochs(9, 1) == {9}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (with_metadata(dataset="other"), "a set of other, expected one of tiny"),
        (with_metadata(classes=["down", "across"]), "2 classes, expected the 2 of tiny in their order"),
        (a_set(images=torch.rand(4, 3, 8, 8)), r"images of shape \[3, 8, 8\], expected \[1, 8, 8\]"),
        (with_metadata(config=SET | {"udd": OWN | {"policy": "all"}}), "udd.policy is 'all', planned 'activation'"),
        (with_metadata(config=SET | {"seed": 1}), "seed is 1, planned 0"),
        (a_set(images=torch.full((4, 1, 8, 8), torch.nan)), "loss is not finite"),
    ],
    ids=["data set", "classes", "shape", "configuration", "seed", "pixels"],
)
def test_a_set_that_does_not_fit_is_refused_in_one_line(run, tmp_path, made, message):
    with pytest.raises(UserError, match=message) as caught:
        run(RECORD, made)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "record.json").exists() or not json.loads((tmp_path / "record.json").read_text())["networks"]


def test_a_missing_truncated_or_older_set_is_refused(run, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="--set is missing"):
        run(RECORD)
    path, out = tmp_path / "set.safetensors", tmp_path / "record.json"
    argv = command(RECORD, path, out)
    with pytest.raises(
        UserError, match="--config: found no architecture, evaluate, protocol, set; expected an evaluation's"
    ):
        evaluation_records.run([*argv, "--config", json.dumps(SET)])
    with pytest.raises(UserError, match="no such set"):
        evaluation_records.run(argv)
    save(path, a_set())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a whole synthetic set"):
        evaluation_records.run(argv)
    save(path, with_metadata(format=0))
    with pytest.raises(UserError, match="found a set of format 0, expected 2"):
        evaluation_records.run(argv)
    assert not out.exists()


def test_by_hand_a_cell_and_a_protocol_are_named(monkeypatch, tmp_path):
    seen = {}

    def record(config, networks, *rest):
        seen.update(config | {"networks": networks})
        return {}

    monkeypatch.setattr(evaluation_records, "record", record)
    monkeypatch.setattr(evaluation_records, "load", lambda manifest, root: dataset())
    (tmp_path / "m").write_text("")
    out = ["--manifest", str(tmp_path / "m"), "--root", "r", "--out", str(tmp_path / "r.json"), "--device", "cpu"]
    cell = ["--dataset", "mnist", "--ipc", "10", "--variant", "udd", "--seed", "2"]
    evaluation_records.run([*cell, "--architecture", "vgg11", "--protocol", "epochs300", "--networks", "3", *out])
    assert (seen["architecture"], seen["protocol"], seen["networks"], seen["set"]["seed"]) == (
        "vgg11",
        "epochs300",
        [3],
        2,
    )
    assert seen["evaluate"]["epochs"] == 300
    with pytest.raises(UserError, match="--protocol best: not in params.yaml; expected one of"):
        evaluation_records.run([*cell, "--protocol", "best", *out])


def test_one_network_that_fails_leaves_the_others_their_results(monkeypatch, capsys):
    build, kept, (images, labels) = evaluate.begin, [], every(a_set())

    def begin(config, *rest):
        network, generator = build(config, *rest)
        if config["network"] == 4:
            with torch.no_grad():
                network.network.classifier.weight[0, 0] = torch.nan
        return network, generator

    monkeypatch.setattr(evaluate, "begin", begin)
    monkeypatch.setattr(
        evaluation_records, "training_set", lambda *_: (evaluate.TrainingSet(images, labels, None, len(images)), {})
    )
    with pytest.raises(UserError, match="the loss is not finite \\(epoch 1 of 8"):
        evaluation_records.record(RECORD, [4, 7], dataset(), None, torch.device("cpu"), {}, kept.append)
    assert kept[-1]["networks"].keys() == {"7"}
    assert "network 7 epoch 8/8" in (said := capsys.readouterr().err) and "network 4" not in said
