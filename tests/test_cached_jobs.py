"""Caches as jobs: cut and resumed, grown, refused with one line where they do not fit."""

import json
import shutil
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from caches import CACHE, CONFIG
from fakes import write_npz
from jobs import Bench
from prepared import manifest_of
from safetensors.torch import load_file, save_file
from tiny import ROOT, config, dataset, of_method

import udd
from udd.command import main
from udd.config.caches import cache_config, cache_name
from udd.errors import Stopped, UserError
from udd.files import lock
from udd.proxies import cached
from udd.runs import cache, cache_files, distilling
from udd.synthetic.sets import load


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Bench:
    """The data set, a cache, and a set that meets it."""
    made = Bench(tmp_path_factory.mktemp("bench"))
    made.distil(CONFIG, "set", "--cache", made.cache(CONFIG))
    return made


@pytest.fixture
def copied(bench, tmp_path) -> Path:
    """A cache to be harmed."""
    return shutil.copytree(bench.folder / "cache", tmp_path / "cache")


def same_files(one: Path, other: Path) -> bool:
    """Whether two networks' files hold the same tensors, bit for bit."""
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_network_cut_after_every_age_has_the_same_bits(bench, capsys):
    for left in (2, 1):
        with pytest.raises(
            Stopped, match=f"stopped by time limit after {3 - left} of 3 ages; run the same command again to go on from"
        ):
            bench.cache(CONFIG, "cut", "--member", "0", "--time-limit", "0")
    bench.cache(CONFIG, "cut", "--member", "0", "--time-limit", "0")
    assert "goes on from" in capsys.readouterr().err
    assert same_files(bench.folder / "cut/network0.safetensors", bench.folder / "cache/network0.safetensors")
    assert not list((bench.folder / "cut").glob("*.checkpoint"))


def test_what_a_network_took_counts_all_of_its_processes_and_stands_beside_its_record(bench, monkeypatch):
    asked = ["--member", "0", "--record", str(bench.folder / "record/network0.json")]
    monkeypatch.setattr(time, "monotonic", count(0, 10_000).__next__)  # a slow process, which is cut
    with pytest.raises(Stopped):
        bench.cache(CONFIG, "ticked", *asked, "--time-limit", "0")
    monkeypatch.setattr(time, "monotonic", count(0, 1).__next__)
    bench.cache(CONFIG, "ticked", *asked)
    took = [json.loads((bench.folder / place / "network0.cost.json").read_text()) for place in ("ticked", "record")]
    assert took[0] == took[1] and took[0]["seconds"] > 10_000 and took[0]["peak_bytes"] > 50_000_000
    assert same_files(bench.folder / "ticked/network0.safetensors", bench.folder / "cache/network0.safetensors")


def test_a_checkpoint_of_another_network_is_of_no_use(bench, capsys):
    with pytest.raises(Stopped):
        bench.cache(config(**CACHE, net_lr=0.5), "changed", "--member", "0", "--time-limit", "0")
    bench.cache(CONFIG, "changed", "--member", "0")
    assert "goes on from" not in capsys.readouterr().err
    assert same_files(bench.folder / "changed/network0.safetensors", bench.folder / "cache/network0.safetensors")


def test_a_cache_grows_and_keeps_what_it_has(bench, copied):
    before = (copied / "network1.safetensors").stat().st_mtime_ns
    more = config(**dict[str, Any](CACHE | {"cache_networks": 3}))
    shutil.copytree(copied, bench.folder / "grown")
    bench.cache(more, "grown")
    assert (bench.folder / "grown/network1.safetensors").stat().st_mtime_ns == before
    assert (bench.folder / "grown/network2.safetensors").exists()
    bench.distil(more, "of-three", "--cache", bench.folder / "grown")


def test_one_cache_serves_every_set_of_the_data(bench):
    networks = list((bench.folder / "cache").glob("network*.safetensors"))
    before = [path.stat().st_mtime_ns for path in networks]
    for number, changes in enumerate(
        ({"ipc": 1, "policy": "all"}, {"seed": 1}, {"outer": 1, "inner": 5, "image_lr": 0.1, "matched": "all"})
    ):
        asked = config(**dict[str, Any](CACHE | changes))
        bench.distil(asked, f"other{number}", "--cache", bench.folder / "cache")
        assert load(bench.folder / f"other{number}.safetensors").metadata["config"] == asked
    assert len(networks) == 2 and [path.stat().st_mtime_ns for path in networks] == before


def test_a_run_cut_after_every_step_ends_with_the_same_bits(bench):
    for _ in range(3):
        bench.stop(CONFIG, "cut", "--cache", bench.folder / "cache")
    bench.distil(CONFIG, "cut", "--cache", bench.folder / "cache")
    assert bench.same("set", "cut")


def test_a_run_whose_rate_is_found_goes_on_with_the_same(bench):
    moved = config(**CACHE, image_move=0.02)
    bench.distil(moved, "moved", "--cache", bench.folder / "cache")
    bench.stop(moved, "moved-cut", "--cache", bench.folder / "cache")
    bench.distil(moved, "moved-cut", "--cache", bench.folder / "cache")
    assert bench.same("moved", "moved-cut")


# --- what does not fit ---


def refusal(bench: Bench, capsys, *more: str | Path, **changes: Any) -> str:
    """The one line on which a distillation ends."""
    with pytest.raises(SystemExit) as ended:
        main(lambda: bench.distil(config(**(CACHE | changes)), "refused", *more))
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1, error
    assert not (bench.folder / "refused.safetensors").exists()
    return error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 5}, "width is 4, planned 5"),
        ({"net_lr": 0.5}, "net_lr is 0.01, planned 0.5"),
        ({"cache_ages": 4}, "cache_ages is 3, planned 4"),
        ({"cache_draws": 1}, "cache_draws is 2, planned 1"),
        ({"cache_seed": 1}, "cache_seed is 0, planned 1"),
        ({"batch_real": 6}, "batch_real is 5, planned 6"),
    ],
    ids=str,
)
def test_a_cache_of_another_configuration_is_refused(bench, capsys, changes, words):
    error = refusal(bench, capsys, "--cache", bench.folder / "cache", **changes)
    assert (
        f"{bench.folder / 'cache'}/network0.safetensors: made for another configuration: " in error and words in error
    )
    assert "give another folder, or delete it" in error


@pytest.mark.parametrize("harm", ["empty", "truncated", "text", "a set", "bare weights"])
def test_a_network_that_is_not_whole_is_refused_by_name(bench, copied, capsys, harm):
    path = copied / "network1.safetensors"
    whole = path.read_bytes()
    path.unlink()
    if harm == "a set":
        shutil.copy(bench.folder / "set.safetensors", path)
    elif harm == "bare weights":
        save_file({"classifier.weight": torch.zeros(4, 3, 4)}, path)
    else:
        path.write_bytes({"empty": b"", "truncated": whole[:-10], "text": b"weights"}[harm])
    error = refusal(bench, capsys, "--cache", copied)
    assert f"{path}: " in error and "delete it" in error


def test_what_is_missing_or_of_other_code_is_made_before_the_first_step(bench, copied, monkeypatch):
    (copied / "network1.safetensors").unlink()
    bench.distil(CONFIG, "missing", "--cache", copied)
    assert bench.same("set", "missing")
    before = [(copied / f"network{member}.safetensors").stat().st_mtime_ns for member in range(2)]
    monkeypatch.setattr(cache_files, "code_digest", lambda _: "of later code")
    monkeypatch.setattr("udd.runs.growth.provenance", lambda *_: {"code": "of later code"})
    bench.distil(CONFIG, "later", "--cache", copied)
    after = [(copied / f"network{member}.safetensors").stat().st_mtime_ns for member in range(2)]
    assert all(a < b for a, b in zip(before, after, strict=True)) and bench.same("set", "later")


def test_a_network_that_another_run_is_at_is_left_to_it(bench, copied, monkeypatch):
    """The others are made; the last is waited for."""
    path = copied / "network0.safetensors"
    whole = path.read_bytes()
    for member in range(2):
        (copied / f"network{member}.safetensors").unlink()
    looks: list[bool] = []

    def other_run(_seconds: float) -> None:
        looks.append((copied / "network1.safetensors").exists())
        path.write_bytes(whole)

    monkeypatch.setattr(cache.time, "sleep", other_run)
    with lock(path):
        bench.cache(CONFIG, str(copied))
    assert looks == [True] and path.read_bytes() == whole
    path.unlink()
    with (
        lock(path),
        pytest.raises(Stopped, match="another run is making its last networks; run the same command again"),
    ):
        bench.cache(CONFIG, str(copied), "--time-limit", "0")


def test_a_cache_of_other_data_is_refused(bench, copied, capsys, monkeypatch):
    monkeypatch.setattr("udd.runs.distilling.inputs_digest", lambda _: "of other images")
    assert f"{copied}/network0.safetensors: made of other data; give another folder, or delete it" in refusal(
        bench, capsys, "--cache", copied
    )


def test_the_workflows_cache_of_other_data_is_made_anew(bench, copied, tmp_path, capsys, monkeypatch):
    """Its place says nothing of the data's bytes: a changed data set would else stop every set that meets a cache."""
    place = tmp_path / "results" / "cache" / cache_name(CONFIG)
    place.parent.mkdir(parents=True)
    copied.rename(place)
    monkeypatch.setattr("udd.runs.distilling.inputs_digest", lambda _: "of other images")
    assert "made of other data; give another folder" in refusal(bench, capsys, "--cache", place)  # another's manifest
    own = tmp_path / "results" / "data" / "tiny.json"
    own.parent.mkdir()
    shutil.copy(bench.manifest, own)
    bench.distil(CONFIG, "anew", "--cache", place, "--manifest", own)
    assert "network0.safetensors: made of other data, and made anew" in capsys.readouterr().err
    made = [cached.metadata(place / f"network{member}.safetensors")["inputs"] for member in (0, 1)]
    assert made == ["of other images"] * 2
    monkeypatch.setattr("udd.runs.cache.inputs_digest", lambda _: "of third images")
    cache.run([*bench.options(cache_config(CONFIG)), "--manifest", str(own), "--out", str(place), "--member", "1"])
    made = [cached.metadata(place / f"network{member}.safetensors")["inputs"] for member in (0, 1)]
    assert made == ["of other images", "of third images"]


def test_a_folder_for_the_cache_is_asked_for_and_otherwise_does_nothing(bench, capsys):
    assert "--cache: missing; a set with `networks: cached` needs a folder for these" in refusal(bench, capsys)
    bench.distil(config(networks="fresh"), "fresh")
    bench.distil(config(networks="fresh"), "fresh-beside", "--cache", bench.folder / "cache")
    assert bench.same("fresh", "fresh-beside") and not bench.same("fresh", "set")


def test_a_disk_that_is_too_small_is_refused_before_the_work(bench, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000))
    with pytest.raises(UserError, match="2 networks to be cached take .* each, and the disk has 0.01 MB free; lower"):
        bench.cache(CONFIG, "nowhere")
    assert not (bench.folder / "nowhere").exists()


def test_the_size_is_known_before(bench):
    """Within headers, scales and draws, which a network this small shows."""
    expected = cache_files.size(CONFIG, dataset())
    whole = load_file(bench.folder / "cache/network0.safetensors")
    halves = sum(value.nbytes for value in whole.values() if value.dtype == torch.float16)
    assert halves == expected


@pytest.mark.parametrize(
    "made",
    [of_method("dsa"), config(networks="fresh"), {"dataset": {"name": "tiny"}}],
    ids=["own networks", "fresh", "no section"],
)
def test_what_meets_no_cache_gets_none(bench, made):
    with pytest.raises(UserError, match="expected the configuration of a set with `networks: cached`"):
        bench.cache(made, "none")


# --- without the workflow ---


def test_by_hand_a_cache_lies_where_distill_looks_for_it(tmp_path):
    """udd cache and udd distill, for a cell of params.yaml: no path is named twice."""
    write_npz(tmp_path / "tiny.npz")
    small = {"datasets": {"tiny": {"kind": "npz", "path": "tiny.npz"}}, "distill": CONFIG["distill"]}
    (tmp_path / "small.yaml").write_text(
        json.dumps(small | {"results": str(tmp_path / "results"), "tables": {}, "figures": {}})
    )
    place = ["--params", str(ROOT / "params.yaml"), str(tmp_path / "small.yaml"), "--dataset", "tiny"]
    manifest = manifest_of(tmp_path, {"name": "tiny", "kind": "npz", "path": "tiny.npz"})
    given = [*place, "--manifest", str(manifest), "--root", str(tmp_path), "--device", "cpu"]
    cache.run([*given, "--record", str(tmp_path / "record.json")])
    assert json.loads((tmp_path / "record.json").read_text())["members"] == [0, 1]
    distilling.run(given)
    assert (tmp_path / "results/synthetic/tiny/ipc1/udd/seed0.safetensors").exists()
    assert len(list((tmp_path / "results/cache/tiny").glob("*/network*.safetensors"))) == 2


def test_from_python_a_cache_is_made_once(tmp_path, monkeypatch):
    keys = {
        key: CONFIG["distill"][key] for key in ("width", "outer", "inner", "batch_real", "net_batch", "net_images")
    } | CACHE
    data = dataset()
    one = udd.distill(data, cache=tmp_path, checkpoint=tmp_path / "run", device="cpu", **keys)
    folder = tmp_path / cache_name(one.metadata["config"])
    assert len(list(folder.glob("*.safetensors"))) == 2

    def never(*_args: Any) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr("udd.runs.cache.grow", never)
    again = udd.distill(data, cache=tmp_path, checkpoint=tmp_path / "run", device="cpu", **keys)
    assert torch.equal(one.images, again.images)
    with pytest.raises(UserError, match="made of other data; give another folder, or delete it"):
        udd.distill(dataset(seed=1), cache=tmp_path, checkpoint=tmp_path / "run", device="cpu", **keys)
