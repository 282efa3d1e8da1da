"""An evaluation that was cut goes on: networks are kept as they end, by all that their results depend on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import dataset

import udd
from udd import accuracy, compare, judge
from udd.errors import UsageError, UserError
from udd.interim import Interim

DATA = dataset()
QUICK: dict[str, Any] = {"epochs": 1, "width": 4, "device": "cpu", "checkups": 1}


def a_set(seed: int = 0) -> Any:
    """A set of random real images."""
    return udd.distill(DATA, "random", 1, seed, device="cpu")


class Counted:
    """How often networks are trained, and after how many a power cut comes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained, self.most, self.real = 0, 99, accuracy.result
        monkeypatch.setattr(accuracy, "result", self)

    def __call__(self, *given: Any) -> dict[str, Any]:
        if self.trained == self.most:
            raise KeyboardInterrupt
        self.trained += 1
        return self.real(*given)


def test_what_was_cut_goes_on_with_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, count, part = udd.evaluate(a_set(), DATA, 3, **QUICK), Counted(monkeypatch), tmp_path / "run.json"
    count.most = 2
    with pytest.raises(KeyboardInterrupt):
        udd.evaluate(a_set(), DATA, 3, checkpoint=part, **QUICK)
    count.most = 99
    assert udd.evaluate(a_set(), DATA, 3, checkpoint=part, **QUICK) == whole and count.trained == 3
    assert udd.evaluate(a_set(), DATA, 2, checkpoint=part, **QUICK).values == whole.values[:2] and count.trained == 3


@pytest.mark.parametrize(
    "change",
    [
        {"made": a_set(1)},
        {"epochs": 2},
        {"width": 5},
        {"architecture": "alexnet"},
        {"data": DATA._replace(test_images=DATA.test_images.flip(0))},
        {"data": DATA._replace(mean=[0.5] * len(DATA.mean))},
        {"data": DATA._replace(flip=not DATA.flip)},
        {"data": DATA._replace(test_labels=DATA.test_labels.roll(1))},
        {"data": DATA._replace(name="other")},
        {"data": DATA._replace(std=[0.5] * len(DATA.std))},
        {"made": a_set()._replace(labels=a_set().labels.roll(1))},
        {"made": a_set()._replace(labels=torch.eye(3)[a_set().labels] * 0.7 + 0.1)},
        {"made": a_set()._replace(metadata=a_set().metadata | {"rate": 0.5}), "rate": "own"},
        {"precision": "bfloat16"},
        {"batch": 2},
    ],
)
def test_what_else_is_asked_for_is_trained_anew(change: dict[str, Any], tmp_path: Path, monkeypatch):
    given, part = {"made": a_set(), "data": DATA} | QUICK, tmp_path / "run.json"
    udd.evaluate(**given, networks=1, checkpoint=part)
    count = Counted(monkeypatch)
    udd.evaluate(**given | change, networks=1, checkpoint=part)
    assert count.trained == 1


@pytest.mark.parametrize("what", ["code", "provenance"])
def test_other_code_or_another_machine_is_trained_anew(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given = {"made": a_set(), "data": DATA, "networks": 1, "checkpoint": tmp_path / "run.json"} | QUICK
    udd.evaluate(**given)
    count, real = Counted(monkeypatch), getattr(accuracy, what)
    monkeypatch.setattr(accuracy, what, lambda *each: real(*each))
    udd.evaluate(**given)
    assert count.trained == 0
    other = (lambda *each: "other") if what == "code" else (lambda *each: real(*each) | {"versions": {"torch": "1"}})
    monkeypatch.setattr(accuracy, what, other)
    udd.evaluate(**given)
    assert count.trained == 1


def test_what_no_json_holds_is_evaluated_and_kept(tmp_path: Path):
    made = a_set()
    config = made.metadata["config"] | {"ipc": np.int64(1)}
    soft = (torch.eye(3)[made.labels] * 0.7 + 0.1).bfloat16()
    odd = made._replace(labels=soft, metadata=made.metadata | {"config": config})
    for path in (None, tmp_path / "run.json"):
        assert len(udd.evaluate(odd, DATA, 1, checkpoint=path, **QUICK).values) == 1


@pytest.mark.parametrize("held", ["[]", "nothing", '{"a": 1}', '{"a": {"b": 1}}', '{"results": {}}'])
def test_another_file_is_not_replaced(held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (part := tmp_path / "notes.json").write_text(held)
    count = Counted(monkeypatch)
    with pytest.raises(UserError, match=r"notes.json: not"):
        udd.evaluate(a_set(), DATA, 1, checkpoint=part, **QUICK)
    assert part.read_text() == held and not count.trained


def test_two_that_keep_in_one_file_lose_nothing_of_each_other(tmp_path: Path):
    one, other = Interim(tmp_path / "run.json"), Interim(tmp_path / "run.json")

    def while_another_keeps() -> dict[str, Any]:
        other.result("other", lambda: {"accuracy": 1.0})
        return {"accuracy": 2.0}

    assert one.result("mine", while_another_keeps) == {"accuracy": 2.0}
    assert one.results() == {"other": {"accuracy": 1.0}, "mine": {"accuracy": 2.0}}
    one.done()
    assert other.results() == {"other": {"accuracy": 1.0}}
    other.done()
    assert not (tmp_path / "run.json").exists()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with four sets of digits."""
    data = udd.dataset("digits")
    for seed in range(4):
        udd.distill(data, "random", 1, seed, device="cpu").save(tmp_path / f"{seed}.safetensors")
    return tmp_path


def asked(place: Path, *words: str) -> list[str]:
    """A command line over sets of digits."""
    names = [str(place / f"{word}.safetensors") if word.isdecimal() else word for word in words]
    return [*names, "--dataset", "digits", "--epochs", "1", "--width", "4", "--device", "cpu", "--networks=2"]


def test_the_command_goes_on_and_leaves_the_result_alone(place: Path, monkeypatch: pytest.MonkeyPatch):
    count, out = Counted(monkeypatch), place / "judged.json"
    count.most = 3
    words = asked(place, "1", "--out", str(out))
    with pytest.raises(KeyboardInterrupt):
        judge.run(words)
    assert len(json.loads((place / "judged.json.part").read_text())["results"]) == 3 and not out.exists()
    count.most = 99
    judge.run(words)
    assert count.trained == 4 and not (place / "judged.json.part").exists()  # two of the set, two of random images
    assert [row["n"] for row in json.loads(out.read_text())["rows"]] == [2, 2]
    judge.run(words)  # its own result may be measured again
    assert count.trained == 8


@pytest.mark.parametrize("run", [judge.run, compare.run])
def test_a_result_replaces_nothing_else(run: Any, place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: pytest.fail("read"), raising=False)
    (place / "notes.json").write_text('{"accuracy": 90}')
    sets = "0" if run is judge.run else "01"
    with pytest.raises(UserError, match="notes.json stands there already and is not what udd .* wrote"):
        run(asked(place, *sets, "--out", str(place / "notes.json")))
    with pytest.raises(UserError, match="0.safetensors is read here, and would be lost"):
        run(asked(place, *sets, "--out", str(place / "0.safetensors")))
    with pytest.raises(UserError, match="2.safetensors stands there already"):
        run(asked(place, *sets, "--out", str(place / "2.safetensors")))


def test_several_sets_stand_beside_the_first(place: Path, capsys: pytest.CaptureFixture):
    compare.run(asked(place, "0", "1", "2", "--json"))
    found = json.loads(capsys.readouterr().out)
    first, *others = (torch.tensor(each["values"]) for each in found["sets"])
    means = [(first - each).mean().item() for each in others]
    assert [each["mean"] for each in found["differences"]] == pytest.approx(means)
    assert [each["unit"] for each in found["differences"]] == ["networks", "networks"]


def test_two_methods_are_compared_over_pairs_of_sets(place: Path, capsys: pytest.CaptureFixture):
    out = place / "compared.json"
    compare.run(asked(place, "0", "1", "--out", str(out), "--against", "2", "3"))
    said = capsys.readouterr().out
    found = json.loads(out.read_text())
    values = torch.tensor([each["values"] for each in found["sets"]])  # [sets, networks]
    (less,) = found["differences"]
    assert less["mean"] == pytest.approx((values[:2] - values[2:]).mean().item())
    assert (less["n"], less["unit"]) == (2, "seeds") and "over pairs of sets (" in said
    assert not (place / "compared.json.part").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0"], "0.safetensors alone, expected two or more, or as many --against"),
        (["0", "1", "--against", "2"], "--against: found 1 sets against 2; give as many"),
    ],
)
def test_sets_without_a_partner_are_bad_usage(words: list[str], said: str, place: Path):
    with pytest.raises(UsageError, match=said):
        compare.run(asked(place, *words))


def test_one_set_is_no_two_distillations(place: Path):
    for words in (["0", "0", "--against", "1", "2"], ["1", "2", "--against", "0", str(place / "again.safetensors")]):
        (place / "again.safetensors").write_bytes((place / "0.safetensors").read_bytes())
        with pytest.raises(UsageError, match=".safetensors: the same set as .*, on one side"):
            compare.run(asked(place, *words))


def test_another_evaluations_networks_stay(place: Path, monkeypatch: pytest.MonkeyPatch):
    count, out = Counted(monkeypatch), place / "judged.json"
    count.most = 1
    with pytest.raises(KeyboardInterrupt):
        judge.run(asked(place, "1", "--out", str(out)))
    count.most = 99
    judge.run([*asked(place, "1", "--out", str(out), "--alone"), "--epochs", "2"])
    assert len(Interim(place / "judged.json.part").results()) == 1
    judge.run(asked(place, "1", "--alone", "--out", str(out)))
    assert count.trained == 1 + 2 + 1 and not (place / "judged.json.part").exists()


def test_each_set_is_trained_with_the_rate_that_it_holds(place: Path, capsys: pytest.CaptureFixture):
    words = asked(place, "0", "0", "--learned-rate", "--json")
    with pytest.raises(UserError, match="--learned-rate: .*0.safetensors holds none"):
        compare.run(words)
    made = udd.load(place / "0.safetensors")
    made._replace(metadata=made.metadata | {"rate": 0.5}).save(place / "0.safetensors")
    compare.run(words)
    own = json.loads(capsys.readouterr().out)["sets"][0]["values"]
    assert own == udd.evaluate(udd.load(place / "0.safetensors"), udd.dataset("digits"), 2, rate="own", **QUICK).values
