"""Evaluation end to end on a tiny data set and set, and everything that it must refuse."""

import json
from pathlib import Path

import pytest
import torch
from tiny import options

from udd.data import Dataset
from udd.errors import UserError
from udd.evaluation import accuracy as evaluate
from udd.evaluation import job as evaluation_job
from udd.synthetic.sets import SyntheticSet, save

TINY = {"name": "tiny", "kind": "npz"}
SET = {"dataset": TINY, "ipc": 2, "variant": "udd", "seed": 0, "method": "distill", "distill": options(selected=2)}
FULL = {"dataset": TINY, "ipc": "all", "variant": "full", "seed": 0, "method": "full"}
RECIPE = {
    "width": 8, "epochs": 8, "batch": 4, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
    "decay_at": [0.6667, 0.8333], "decay": 0.2, "augment": ["color"], "cutmix_beta": 1.0, "cutmix_p": 0.5,
    "precision": "float32", "views": "all", "steps": 0, "checkups": 4, "compile": "never",
}  # fmt: skip
CONFIG = {"set": SET, "architecture": "convnet3", "protocol": "idc", "evaluate": RECIPE}


def images(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n) % 2
    stripes = (torch.arange(8) % 2) * 0.7
    pattern = torch.stack([stripes.expand(8, 8), stripes.view(8, 1).expand(8, 8)])[labels].unsqueeze(1)
    return pattern + 0.3 * torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed)), labels


def dataset() -> Dataset:
    train, test = images(30, 0), images(21, 1)
    return Dataset("tiny", ["across", "down"], [0.5], [0.4], (train[0] * 255).byte(), train[1], (test[0] * 255).byte(), test[1])


def a_set(**changes) -> SyntheticSet:
    pixels, labels = images(4, 2)
    boxes = torch.tensor([[0, 0, 4, 4], [4, 4, 4, 4], [0, 4, 4, 4]])
    metadata = {"dataset": "tiny", "classes": ["across", "down"], "mean": [0.5], "std": [0.4], "whole": True, "config": SET}
    return SyntheticSet(pixels, labels, boxes, metadata)._replace(**changes)


def with_metadata(**changes) -> SyntheticSet:
    return a_set(metadata=a_set().metadata | changes)


def command(config: dict, path, out) -> list[str]:
    given = ["--set", str(path)] if path else []
    return ["--config", json.dumps(config), "--manifest", "m", "--root", "r", "--out", str(out), "--device", "cpu", *given]


def without_seconds(record: dict) -> dict:
    return record | {"networks": {seed: found | {"seconds": 0} for seed, found in record["networks"].items()}}


def short(**changes) -> dict:
    """A configuration of three epochs."""
    return CONFIG | {"evaluate": RECIPE | {"epochs": 3} | changes}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command on a set (None: without one) and return the record."""
    monkeypatch.setattr(evaluation_job, "load", lambda manifest, root: dataset())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").write_text("a manifest")

    def call(config: dict, made: SyntheticSet | None = None, *more: str) -> dict:
        path, out = tmp_path / "set.safetensors", tmp_path / "record.json"
        if made:
            save(path, made)
        evaluation_job.run([*command(config, path if made else None, out), *more])
        return json.loads(out.read_text())

    return call


def test_a_record_says_what_was_measured_and_how(run):
    record = run(CONFIG, a_set())
    assert record["format"] == 2 and record["config"] == CONFIG and list(record["networks"]) == ["0"]
    found = record["networks"]["0"]
    assert found.keys() == {"accuracy", "accuracy_best", "checkups", "seconds"} and found["seconds"] > 0
    assert [epoch for epoch, _ in found["checkups"]] == [2, 4, 6, 8]
    values = [value for _, value in found["checkups"]]
    assert found["accuracy"] == values[-1] and found["accuracy_best"] == max(values)
    assert record["stored_images"] == 4 and record["decoded_images"] == 4 + 12
    assert record["stored_bytes"] == 4 * (64 * 4 + 8) + 3 * 4 * 8  # pixels and label an image; 4 numbers a window
    assert (record["epochs"], record["steps"]) == (8, 8 * 4)
    assert record["provenance"]["module"] == "udd.evaluation.accuracy"


def test_each_line_of_the_log_names_its_record_and_network(run, capsys):
    run(CONFIG | {"networks": [3]}, a_set())
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"tiny/ipc2/udd/seed0/idc/convnet3 network 3 epoch {epoch}/8" for epoch in (2, 4, 6, 8)]


@pytest.mark.parametrize(("reading", "decoded"), [("none", 4), ("all", 16), ("searched", 12), ("random", 12)])
def test_the_protocol_says_which_windows_are_trained_on(run, reading, decoded):
    config = short(views=reading, checkups=1) | {"networks": [0, 1]}
    record, again = run(config, a_set()), run(config | {"networks": [1]}, a_set())
    assert (record["decoded_images"], record["epochs"], record["steps"]) == (decoded, 3, 3 * decoded // 4)
    assert [len(found["checkups"]) for found in record["networks"].values()] == [1, 1]
    assert again["networks"] == record["networks"]  # kept, not trained again


def test_readings_train_in_other_ways_and_each_is_the_same_again(run, tmp_path):
    found = {}
    for reading in ("none", "all", "searched", "random"):
        for _ in range(2):
            record = run(short(views=reading, checkups=3), a_set())
            (tmp_path / "record.json").unlink()
            assert found.setdefault(reading, without_seconds(record)) == without_seconds(record)
    assert len({json.dumps(record["networks"]) for record in found.values()}) > 1


@pytest.mark.parametrize("reading", ["searched", "random"])
@pytest.mark.parametrize(
    "made",
    [a_set(windows=torch.zeros(0, 4, dtype=torch.int64)), with_metadata(config=SET | {"distill": options(selected=2, policy="all")})],
    ids=["a coreset", "every window"],
)
def test_where_there_is_no_choice_of_windows_the_views_do_not_change(run, made, reading):
    config = short(views=reading) | {"set": made.metadata["config"]}
    record = run(config, made)
    assert record["decoded_images"] == 4 + 4 * len(made.windows)
    (work, _) = evaluate.training_set(config, dataset(), Path("set.safetensors"))
    assert work.views is None


def test_steps_replace_epochs_in_whole_epochs(run):
    record = run(short(steps=7), a_set())  # an epoch of 16 images has four
    assert (record["epochs"], record["steps"]) == (2, 8)
    assert [epoch for epoch, _ in record["networks"]["0"]["checkups"]] == [1, 2]
    record = run(short(steps=7, views="random"), a_set())  # of 12 images: three
    assert (record["epochs"], record["steps"]) == (2, 6)


def test_a_network_more_joins_those_that_are_there(run):
    first = run(short(), a_set())
    both = run(short() | {"networks": [0, 1]}, a_set())
    assert both["networks"]["0"] == first["networks"]["0"] and list(both["networks"]) == ["0", "1"]
    alone = run(short(checkups=3) | {"networks": [1]}, a_set())  # another configuration: nothing is kept
    assert list(alone["networks"]) == ["1"]
    assert alone["networks"]["1"]["accuracy"] == both["networks"]["1"]["accuracy"]


def test_a_network_that_fails_does_not_cost_the_others(run, tmp_path, monkeypatch):
    run(short(), a_set())
    real = evaluate.evaluate

    def failing(config, *rest):
        if config["network"] == 1:
            raise UserError("training: the loss is not finite")
        return real(config, *rest)

    monkeypatch.setattr(evaluate, "evaluate", failing)
    with pytest.raises(UserError, match="not finite"):
        run(short() | {"networks": [0, 1, 2]}, a_set())
    part = tmp_path / "record.json.part"
    assert list(json.loads((tmp_path / "record.json").read_text())["networks"]) == ["0"]  # as before: Snakemake may remove it
    assert list((before := json.loads(part.read_text())["networks"])) == ["0", "2"]
    (tmp_path / "record.json").unlink()
    monkeypatch.setattr(evaluate, "evaluate", lambda config, *rest: real(config, *rest) if config["network"] == 1 else 1 / 0)
    networks = run(short() | {"networks": [0, 1, 2]}, a_set())["networks"]
    assert {seed: networks[seed] for seed in before} == before and networks.keys() == {"0", "1", "2"} and not part.exists()


def test_another_set_manifest_code_or_format_keeps_nothing(run, tmp_path, monkeypatch):
    out = tmp_path / "record.json"
    run(short(), a_set())
    other = a_set(images=a_set().images.flip(3))
    for change in (
        lambda: None,
        lambda: (tmp_path / "m").write_text("another"),
        lambda: monkeypatch.setattr(evaluation_job, "code_digest", lambda module: "another"),
        lambda: out.write_text("{"),
        lambda: out.write_text("[]"),
        lambda: out.write_text(json.dumps({key: value for key, value in json.loads(out.read_text()).items() if key != "networks"})),
        lambda: out.write_text(json.dumps(json.loads(out.read_text()) | {"format": 1})),
    ):
        change()
        assert list(run(short() | {"networks": [1]}, other)["networks"]) == ["1"]
        run(short() | {"networks": [0]}, other)


def test_the_full_data_set_needs_no_set(run):
    record = run(CONFIG | {"set": FULL, "evaluate": RECIPE | {"epochs": 20}})
    assert record["networks"]["0"]["accuracy"] >= 90  # stripes are easy
    assert record["stored_images"] == record["decoded_images"] == 30
    assert record["stored_bytes"] == 30 * 64 + 30 * 8


def test_network_seed_and_set_seed_choose_the_network_and_the_variant_does_not(monkeypatch):
    seen, data = [], dataset()

    def note(network, images, labels, recipe, mean, std, generator, after_epoch, **_views):
        seen.append(network.network.classifier.weight.sum().item())
        after_epoch(recipe["epochs"])

    monkeypatch.setattr(evaluate, "train", note)
    work = evaluate.Work(data.train_images, data.train_labels, None, len(data.train_images))
    for change in ({}, {"set": SET | {"variant": "udd-all"}}, {"network": 1}, {"set": SET | {"seed": 1}}):
        evaluate.evaluate(CONFIG | {"network": 0} | change, data, work, torch.device("cpu"))
    assert seen[0] == seen[1] and len(set(seen)) == 3


def test_bfloat16_rounds_what_convolutions_and_products_take_and_nothing_else():
    recipe, pixels = RECIPE | {"precision": "bfloat16"}, images(6, 3)[0]
    rounding, _ = evaluate.begin(CONFIG | {"network": 0, "evaluate": recipe}, dataset(), torch.device("cpu"))
    plain, _ = evaluate.begin(CONFIG | {"network": 0}, dataset(), torch.device("cpu"))
    assert all(torch.equal(*pair) and pair[0].dtype == torch.float32 for pair in zip(rounding.parameters(), plain.parameters(), strict=True))
    with torch.autocast("cpu", torch.bfloat16):
        expected = plain.network(pixels).float()
    found = rounding(pixels)
    assert found.dtype == torch.float32 and torch.equal(found, expected) and not torch.equal(found, plain(pixels))
    torch.testing.assert_close(found, plain(pixels), rtol=0.05, atol=0.05)
    assert torch.equal(plain(pixels), plain.network(pixels))


def test_a_network_learns_in_bfloat16_as_well(run):
    record = run(CONFIG | {"set": FULL, "evaluate": RECIPE | {"epochs": 20, "precision": "bfloat16"}})
    assert record["networks"]["0"]["accuracy"] >= 90


def test_checkups_are_evenly_spaced_and_end_at_the_end():
    assert evaluate.checkup_epochs(1000, 4) == {250, 500, 750, 1000}
    assert evaluate.checkup_epochs(1000, 1) == {1000}
    assert evaluate.checkup_epochs(3, 4) == {1, 2, 3}
    assert evaluate.checkup_epochs(1, 4) == {1}


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (with_metadata(dataset="other"), "a set of other, expected one of tiny"),
        (with_metadata(classes=["down", "across"]), "2 classes, expected the 2 of tiny in their order"),
        (a_set(images=torch.rand(4, 3, 8, 8)), r"images of shape \[3, 8, 8\], expected \[1, 8, 8\]"),
        (with_metadata(config=SET | {"distill": options(selected=2, policy="all")}), "distill.policy is 'all', planned 'jitter'"),
        (with_metadata(config=SET | {"seed": 1}), "seed is 1, planned 0"),
        (a_set(images=torch.full((4, 1, 8, 8), torch.nan)), "loss is not finite"),
    ],
    ids=["data set", "classes", "shape", "configuration", "seed", "pixels"],
)
def test_a_set_that_does_not_fit_is_refused_in_one_line(run, tmp_path, made, message):
    with pytest.raises(UserError, match=message) as caught:
        run(CONFIG, made)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "record.json").exists()


def test_a_missing_truncated_or_older_set_is_refused(run, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="--set is missing"):
        run(CONFIG)
    path, out = tmp_path / "set.safetensors", tmp_path / "record.json"
    argv = command(CONFIG, path, out)
    with pytest.raises(UserError, match="--config: found no architecture, evaluate, protocol, set; expected an evaluation's"):
        evaluation_job.run([*argv, "--config", json.dumps(SET)])
    with pytest.raises(UserError, match="set.safetensors: no such file; make it with snakemake or pull it with dvc pull"):
        evaluation_job.run(argv)
    save(path, a_set())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="not a whole synthetic set"):
        evaluation_job.run(argv)
    save(path, with_metadata(format=0))
    with pytest.raises(UserError, match="found a set of format 0, expected 2"):
        evaluation_job.run(argv)
    (tmp_path / "m").unlink()
    with pytest.raises(UserError, match="m: no such file"):
        evaluation_job.run(argv)
    assert not out.exists()


def test_by_hand_a_cell_and_a_protocol_are_named(monkeypatch, tmp_path):
    seen, asked = {}, []

    def record(config, networks, *rest):
        seen.update(config)
        asked.extend(networks)
        return {}

    monkeypatch.setattr(evaluation_job, "record", record)
    monkeypatch.setattr(evaluation_job, "load", lambda manifest, root: dataset())
    (tmp_path / "m").write_text("a manifest")
    out = ["--manifest", str(tmp_path / "m"), "--root", "r", "--out", str(tmp_path / "r.json"), "--device", "cpu"]
    cell = ["--dataset", "mnist", "--ipc", "10", "--variant", "udd", "--seed", "2"]
    evaluation_job.run([*cell, "--architecture", "vgg11", "--protocol", "epochs300", "--networks", "3", "4", *out])
    assert (seen["architecture"], seen["protocol"], seen["set"]["seed"], asked) == ("vgg11", "epochs300", 2, [3, 4])
    assert seen["evaluate"]["epochs"] == 300
    with pytest.raises(UserError, match="--protocol best: not in params.yaml; expected one of"):
        evaluation_job.run([*cell, "--protocol", "best", *out])
