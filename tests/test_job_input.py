"""A distillation whose input is wrong: one line, exit code 1, nothing written."""

import json
from typing import Any

import pytest
import torch
from jobs import in_order, refusal
from tiny import config

from udd.files import lock
from udd.runs import distilling, task

CONFIG = config()

BAD: list[tuple[Any, str]] = [
    (config(ipc=5), "ipc 5: the smallest class of tiny has 4 training images; lower ipc"),
    (
        CONFIG | {"dataset": {"name": "other", "kind": "npz"}},
        'expected {"kind":"npz","name":"other"}; run udd data again',
    ),
    (
        CONFIG | {"method": "herding", "variant": "herding"},
        "variant herding: its method is herding, which distils nothing; use udd coresets",
    ),
    ({key: value for key, value in CONFIG.items() if key != "udd"}, "--config: found no udd; expected a set's"),
    ([1], "--config: found no dataset, ipc"),
    ({"epochs": 3}, "--config: found no dataset, ipc, method, seed, variant; expected a resolved configuration"),
]


@pytest.mark.parametrize(("configs", "words"), BAD)
def test_a_configuration_that_does_not_fit_is_refused(argv, tmp_path, capsys, configs, words):
    assert words in refusal(argv(configs), capsys)
    assert in_order(tmp_path) == []


def test_paths_and_texts_that_are_not_what_they_should_be_are_refused(argv, made, tmp_path, capsys):
    def replaced(option: str, value: str) -> list[str]:
        arguments = argv()
        arguments[arguments.index(option) + 1] = value
        return arguments

    assert "--config: not JSON" in refusal(replaced("--config", '{"ipc": '), capsys)
    assert "nowhere.json" in refusal(replaced("--config", "nowhere.json"), capsys)
    assert "nowhere.json: no such file" in refusal(replaced("--manifest", "nowhere.json"), capsys)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    assert "config.json: not a data manifest" in refusal(replaced("--manifest", str(tmp_path / "config.json")), capsys)
    assert "--device tpu9x: not a device" in refusal(replaced("--device", "tpu9x"), capsys, 2)
    if not torch.cuda.is_available():
        assert "no usable CUDA device; use --device cpu" in refusal(replaced("--device", "cuda"), capsys)
    arguments = argv()
    del arguments[arguments.index("--manifest") : arguments.index("--manifest") + 2]
    assert "--manifest: missing; it is needed beside --config" in refusal(arguments, capsys, 2)
    distilling.run(replaced("--config", str(tmp_path / "config.json")))


def test_two_runs_on_one_output_are_one_too_many(argv, made, tmp_path, capsys):
    with lock(task.checkpoint_path((tmp_path / "checkpoints" / "set"), CONFIG, made[0])):
        assert "another run is writing this output; wait for it or stop it first" in refusal(argv(), capsys)
    distilling.run(argv())


def test_an_output_that_cannot_be_written_is_one_line_and_costs_nothing_but_the_last_step(argv, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = argv()
    arguments[arguments.index("--checkpoints") + 1] = str(tmp_path / "file" / "below")
    assert "file" in refusal(arguments, capsys)
