"""`udd distill SOURCE` by its own short schedule: the cached networks that it meets, where they
lie, and the rate that it finds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import dataset, of_method

import udd
from udd import interface, own
from udd.errors import Busy, UserError
from udd.files import lock
from udd.synthetic import sets

WORDS = [
    "digits",
    "--method",
    "idc",
    "--networks",
    "0",
    "--device",
    "cpu",
    "--set",
    "width=4",
    "outer=1",
    "inner=2",
    "net_images=6",
    "batch_real=5",
]
WORDS += ["cache_networks=2", "cache_ages=3", "compile=never"]


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tiny images under the name of a data set; their side is the last number of the list. Nothing is drawn."""
    sides = [8]
    monkeypatch.setattr(own, "png", lambda *_: b"")
    monkeypatch.setattr(own.page, "write", lambda *_: None)
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: dataset(side=sides[-1]), raising=False)
    return sides


def test_networks_lie_beside_the_set_and_serve_the_next(
    digits: list[int], tmp_path: Path, capsys: pytest.CaptureFixture
):
    own.run([*WORDS, "--out", str(tmp_path / "a.safetensors")])
    said = capsys.readouterr()
    (folder,) = tmp_path.glob(".tiny-*-cache")
    assert "2 networks to be made" in said.err and "the pixels move by 0.04 a step at the start" in said.err
    assert f"networks: {folder} (0.00 GB), for further sets of these images; may be deleted" in said.out
    made = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    own.run([*WORDS, "selected=2", "--method", "udd", "--out", str(tmp_path / "b.safetensors")])
    assert len(made) == 2 and "to be made" not in capsys.readouterr().err
    assert made == {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    distilled = udd.load(tmp_path / "a.safetensors").metadata
    assert distilled["config"]["distill"]["networks"] == "cached" and distilled["provenance"]["image_lr"] > 0


def test_other_images_of_the_same_name_have_networks_of_their_own(digits: list[int], tmp_path: Path):
    for side in (8, 16):
        digits.append(side)
        own.run([*WORDS, "--out", str(tmp_path / f"{side}.safetensors")])
    assert len(list(tmp_path.glob(".tiny-*-cache"))) == 2


def test_the_networks_folder_can_be_given(digits: list[int], tmp_path: Path, capsys: pytest.CaptureFixture):
    own.run([*WORDS, "--json", "--cache", str(tmp_path / "kept"), "--out", str(tmp_path / "a.safetensors")])
    found = json.loads(capsys.readouterr().out)
    assert (
        found["cache"] == str(tmp_path / "kept") and found["cache_bytes"] > 1000 and not list(tmp_path.glob(".tiny-*"))
    )


def test_a_rate_of_ones_own_or_fresh_networks_are_as_asked(digits: list[int], tmp_path: Path):
    for words, image_lr in ((["image_lr=0.5"], 0.5), (["networks=fresh"], 0.32)):
        own.run([*WORDS, *words, "--out", str(tmp_path / "a.safetensors")])
        assert udd.load(tmp_path / "a.safetensors").metadata["config"]["distill"]["image_lr"] == image_lr


def test_a_method_without_cached_networks_has_no_folder(
    digits: list[int], tmp_path: Path, capsys: pytest.CaptureFixture
):
    own.run(
        ["digits", "--method", "random", "--networks", "0", "--device", "cpu", "--out", str(tmp_path / "a.safetensors")]
    )
    assert "networks:" not in capsys.readouterr().out and not list(tmp_path.glob(".*-cache"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=3"], "seed is an option of its own; write --seed 3"),
        (["depth=16"], "depth is an option of its own; write --depth 16"),
        (["outer=1", "epochs=3"], "epochs is an option of its own; write --epochs 3"),
        (["smaller_classes=true"], "write --smaller-classes\n"),
        (["no_flip=true"], "write --no-flip\n"),
    ],
)
def test_an_option_among_the_keys_is_told_where_it_belongs(words: list[str], said: str, capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit, match="2"):
        own.run(["no-such-folder", "--set", *words])
    assert said in capsys.readouterr().err.replace("; udd distill --help says more", "")


def test_an_unknown_method_a_device_and_a_place_are_refused_before_images_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(udd, "dataset", lambda *_, **__: pytest.fail("read"), raising=False)
    for words, said in (
        (["--method", "foo", "--set", "networks=fresh"], "method foo: expected one of"),
        (["--device", "gpu"], "--device gpu: not a device"),
        (["--out", str(tmp_path / "file" / "a.safetensors")], "file: could not be written"),
    ):
        with pytest.raises(UserError, match=said):
            own.run(["folder", *words])


@pytest.mark.parametrize(("method", "key"), [("kip", "depth"), ("udd", "networks"), ("herding", "epochs")])
def test_what_is_a_key_of_one_method_is_an_option_to_another(method: str, key: str):
    own.refuse_options(own.parser(), method, [(key, 3)])
    with pytest.raises(SystemExit, match="2"):
        own.refuse_options(own.parser(), "random", [(key, 3)])


def test_keys_add_up_and_none_is_given_twice(digits: list[int], tmp_path: Path, capsys: pytest.CaptureFixture):
    own.run(
        [
            *WORDS,
            "--set",
            "selected=2",
            "--method",
            "udd",
            "--set",
            "factor=3",
            "--out",
            str(tmp_path / "a.safetensors"),
        ]
    )
    config = udd.load(tmp_path / "a.safetensors").metadata["config"]
    assert (config["udd"]["selected"], config["distill"]["factor"], config["distill"]["width"]) == (2, 3, 4)
    with pytest.raises(SystemExit, match="2"):
        own.run([*WORDS, "--set", "inner=3"])
    assert "--set inner: given twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "said"),
    [("a.png", "expected a name that ends in .safetensors"), ("b.safetensors", "is a folder; name a file in it")],
)
def test_a_set_is_written_to_a_file_of_its_kind(name: str, said: str, digits: list[int], tmp_path: Path):
    (tmp_path / "b.safetensors").mkdir()
    with pytest.raises(UserError, match=said):
        own.run([*WORDS, "--out", str(tmp_path / name)])
    assert [path.name for path in tmp_path.iterdir()] == ["b.safetensors"]


def test_two_runs_do_not_write_one_set(digits: list[int], tmp_path: Path):
    with lock(tmp_path / ".a.safetensors"), pytest.raises(Busy, match="another run is writing this output"):
        own.run([*WORDS, "--out", str(tmp_path / "a.safetensors")])


def test_a_set_that_cannot_be_written_leaves_its_checkpoint(
    digits: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise UserError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(sets, "save", full)
        patch.setattr(interface, "complete", kept(interface.complete))
        with pytest.raises(UserError, match="no space"):
            own.run([*WORDS, "--out", str(tmp_path / "a.safetensors")])
    assert (tmp_path / "a.checkpoint").exists()
    own.run([*WORDS, "--out", str(tmp_path / "a.safetensors")])
    assert (tmp_path / "a.safetensors").exists() and not (tmp_path / "a.checkpoint").exists()


def kept(complete: Callable[..., None]) -> Callable[..., None]:
    """A run to its end that keeps a checkpoint after every step."""
    return lambda run, **keys: complete(run, **keys | {"checkpoint_seconds": 0})


def test_a_finished_set_is_measured_and_not_made_again(
    digits: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """By the same request; another makes another set."""
    out = tmp_path / "a.safetensors"
    own.run([*WORDS, "--out", str(out)])
    before, distill, made = out.read_bytes(), udd.distill, []
    monkeypatch.setattr(
        udd, "distill", lambda *given, **keys: made.append(given) or distill(*given, **keys), raising=False
    )
    own.run([*WORDS, "--out", str(out), "--networks", "1", "--epochs", "1", "--json"])
    said = capsys.readouterr()
    assert (
        not made
        and out.read_bytes() == before
        and "made before by the same request" in said.err
        and '"n": 1' in said.out
    )
    for words in (["--seed", "1"], ["--set", "factor=3"]):
        own.run([*WORDS, *words, "--out", str(out)])
    digits.append(16)
    own.run([*WORDS, "--set", "factor=3", "--out", str(out)])
    assert len(made) == 3 and out.read_bytes() != before


def test_other_code_and_other_names_of_classes_are_another_request(monkeypatch: pytest.MonkeyPatch):
    """Of all code that takes part: a method's, its networks'."""
    data, config = dataset(), of_method("idc")
    found = [
        interface.made_of(config, data, "images"),
        interface.made_of(config, data._replace(classes=["a", "b", "c"]), "images"),
    ]
    digest = interface.code_digest
    for module in ("udd.methods.idc", "udd.proxies.fresh"):
        monkeypatch.setattr(
            interface, "code_digest", lambda name, edited=module: "edited" if name == edited else digest(name)
        )
        found.append(interface.made_of(config, data, "images"))
    assert len(set(found)) == 4


def test_a_coreset_is_not_chosen_again(digits: list[int], tmp_path: Path, capsys: pytest.CaptureFixture):
    for again in (False, True):
        own.run(
            [
                "digits",
                "--method",
                "random",
                "--networks",
                "0",
                "--device",
                "cpu",
                "--out",
                str(tmp_path / "a.safetensors"),
            ]
        )
        assert ("made before by the same request" in capsys.readouterr().err) == again


def test_a_set_of_other_images_is_not_replaced_unless_its_name_was_given(
    digits: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    words = ["digits", "--method", "random", "--networks", "0", "--device", "cpu"]
    own.run(words)
    before = Path("tiny-random-ipc1.safetensors").read_bytes()
    digits.append(16)
    with pytest.raises(
        UserError, match="a set of other images, which this one would replace; give this one another name: --out"
    ):
        own.run(words)
    assert Path("tiny-random-ipc1.safetensors").read_bytes() == before
    own.run([*words, "--out", "tiny-random-ipc1.safetensors"])
    assert Path("tiny-random-ipc1.safetensors").read_bytes() != before


def test_a_set_without_provenance_is_made_anew(digits: list[int], tmp_path: Path):
    out = tmp_path / "a.safetensors"
    words = ["digits", "--method", "random", "--networks", "0", "--device", "cpu", "--out", str(out)]
    own.run(words)
    made = udd.load(out)
    made._replace(metadata={key: value for key, value in made.metadata.items() if key != "provenance"}).save(out)
    own.run(words)
    assert "made_of" in udd.load(out).metadata["provenance"]
