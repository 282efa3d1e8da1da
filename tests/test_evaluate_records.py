"""Records of evaluations: networks join them one by one, those of anything else are not kept, a failure loses none."""

import json

import pytest
import torch
from evaluating import RECIPE, RECORD, SHORT, a_set, command, dataset, runner

from udd import provenance
from udd.errors import UserError
from udd.evaluation import accuracy as evaluate
from udd.evaluation import modules
from udd.evaluation import records as evaluation_records
from udd.evaluation.views import every
from udd.reports.collect import origin
from udd.synthetic.sets import save


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the command on a set (None: without one) and return the record."""
    return runner(tmp_path, monkeypatch)


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


def test_a_network_asked_for_twice_is_trained_once(run, capsys):
    assert run(SHORT, a_set(), networks=(1, 1))["networks"].keys() == {"1"}
    assert capsys.readouterr().err.count("network 1") == 1


def test_a_policy_counts_for_evaluations_that_search_and_for_no_other():
    policy = "udd.methods.policies"
    for views, searches in (("all", False), ("none", False), ("searched", True), ("random", True)):
        named = modules({"evaluate": {"views": views}})
        assert (policy in set().union(*(provenance.closure(name) for name in named))) == searches


def test_networks_of_one_record_say_where_each_was_measured(run, tmp_path, monkeypatch):
    for network, place in enumerate(("here", "there")):
        monkeypatch.setattr(provenance, "git_revision", lambda place=place: place)
        made = run(RECORD, a_set(), networks=tuple(range(network + 1)))
        found = [origin(made | each) for each in made["networks"].values()]
        assert [each["git"] for each in found] == ["here", "there"][: network + 1]
        for each in made["networks"].values():  # as records were before networks said so themselves
            del each["git"]
        (tmp_path / "record.json").write_text(json.dumps(made))


def test_a_record_of_something_else_is_made_anew_and_gone_if_that_fails(run, tmp_path, monkeypatch):
    run(RECORD, a_set(), networks=(0, 1))
    other = run(RECORD | {"evaluate": RECIPE | {"epochs": 1}}, a_set())
    assert other["networks"].keys() == {"0"}
    with pytest.raises(UserError, match="loss is not finite"):
        run(RECORD, a_set(images=torch.full((4, 1, 8, 8), torch.nan)))
    assert not (tmp_path / "record.json").exists() or not json.loads((tmp_path / "record.json").read_text())["networks"]


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
    "another set": lambda folder: save(folder / "set.safetensors", a_set(images=a_set().images.flip(3))),
    "truncated": lambda folder: (folder / "record.json").write_text("{"),
    "a list": lambda folder: (folder / "record.json").write_text("[]"),
    "an older format": lambda folder: replaced(folder / "record.json", format=1),
    "no networks": lambda folder: replaced(folder / "record.json", networks=None),
    "a network of nothing": lambda folder: replaced(folder / "record.json", networks={"0": None}),
    "no provenance": lambda folder: replaced(folder / "record.json", provenance=None),
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
