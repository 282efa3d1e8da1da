"""Evaluation end to end on a tiny data set and set, and everything that it must refuse."""

import json

import pytest
import torch
from evaluating import CONFIG, OWN, RECIPE, RECORD, SET, SHORT, a_set, command, dataset, runner, with_metadata

from udd.errors import UserError
from udd.evaluation import accuracy as evaluate
from udd.evaluation import records as evaluation_records
from udd.synthetic.sets import save


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command on a set (None: without one) and return the record."""
    return runner(tmp_path, monkeypatch)


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


def test_a_record_has_the_accuracy_on_each_class_and_no_bit_of_the_training_depends_on_it(run, tmp_path):
    found, counts = run(SHORT, a_set()), dataset().test_labels.bincount().tolist()
    together = sum(value * count for value, count in zip(found["by_class"], counts, strict=True)) / sum(counts)
    assert together == pytest.approx(found["accuracy"])
    work, _ = evaluate.training_set(SHORT, dataset(), tmp_path / "set.safetensors")
    assert found["checkups"] == [
        list(each)
        for each in evaluate.evaluate(SHORT | {"network": 0}, dataset(), work, torch.device("cpu"))["checkups"]
    ]


def test_the_accuracy_is_that_of_the_last_checkup_and_the_best_stands_beside_it():
    found = evaluate.results([(2, 90.0), (4, 70.0)])
    assert (found["accuracy"], found["accuracy_best"]) == (70.0, 90.0)


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
        assert (mean, std) == (data.mean, data.std) and mean != std
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
        UserError, match="--config: found no architecture, evaluate, protocol, set; expected a resolved configuration"
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
