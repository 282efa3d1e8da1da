"""How the pixels of other people's files were normalised: known, told, undone, or found out to be otherwise."""

from pathlib import Path

import pytest
import torch
from foreign import BYTES, GOOD, GREY, HALF, LABELS, PLACE, RGB, a_set

from udd.errors import UserError
from udd.synthetic import formats
from udd.synthetic.formats import FORMATS, content, exported, imported, whitening
from udd.synthetic.formats.statistics import DC, statistics


def test_bytes_are_read_as_bytes_and_a_step_beyond_is_kept(tmp_path: Path, capsys) -> None:
    pixels = torch.randint(0, 256, (3, 3, 8, 8), dtype=torch.uint8)
    torch.save([pixels, torch.arange(3)], tmp_path / "data.pt")
    assert torch.equal(imported(tmp_path / "data.pt", "idc", RGB).images, pixels.float() / 255)
    images = torch.rand(3, 3, 8, 8)
    images[0, 0, 0, 0] = 1.01
    torch.save([images, torch.arange(3)], tmp_path / "data.pt")
    assert (
        torch.equal(imported(tmp_path / "data.pt", "idc", RGB).images, images)
        and "0.17 % of the pixels lie outside" in capsys.readouterr().err
    )


def test_a_normalisation_that_is_said_is_undone_or_refused_never_left_unread(tmp_path: Path) -> None:
    made = torch.rand(3, 3, 8, 8)
    by = ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3])
    want = RGB._replace(normalised=by)
    torch.save([content.normalised(made, by), torch.arange(3)], tmp_path / "data.pt")
    torch.testing.assert_close(imported(tmp_path / "data.pt", "idc", want).images, made)
    for name in BYTES:
        path = tmp_path / PLACE[name]
        exported(a_set(RGB, torch.arange(3), torch.zeros(0, 4, dtype=torch.int64), True), path, name, RGB)
        with pytest.raises(UserError, match=f"--as {name} is bytes, which are not normalised"):
            imported(path, name, want)


def test_pixels_far_beyond_as_dm_leaves_them_are_kept_and_go_out_as_bytes_at_the_bounds(tmp_path: Path, capsys) -> None:
    """What VICO-UoE/DatasetCondensation writes after 200 iterations of DM, or 100 of DC from noise,
    runs from -1.04 to 2.04."""
    # In units of a deviation
    made = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)).clamp(-2.4, 2.4) * 3
    torch.save({"data": [[made, torch.arange(3)]], "accs_all_exps": {}}, tmp_path / "res.pt")
    want = RGB._replace(mean=DC["cifar10"][0], std=[0.247, 0.244, 0.262])  # CIFAR-10's own
    found = imported(tmp_path / "res.pt", "dc", want)
    assert found.images.min() < -0.9 and found.images.max() > 1.9
    torch.testing.assert_close(found.images, content.unnormalised(made, DC["cifar10"]))
    assert "networks see them as they are" in capsys.readouterr().err
    for name in BYTES:
        path = tmp_path / PLACE[name]
        exported(found, path, name, want)
        assert "a byte cannot hold" in capsys.readouterr().err
        torch.testing.assert_close(
            imported(path, name, want, anyway=True).images, found.images.clamp(0, 1), rtol=0, atol=HALF
        )


def test_normalised_pixels_that_lie_near_are_told_by_their_channels(tmp_path: Path) -> None:
    """Digits by DC's normalisation run from -0.42 to 2.82: not further than DM goes."""
    want = GREY._replace(mean=[0.1307], std=[0.3081])
    digits = torch.where(torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(2)) < 0.85, 0.0, 1.0)
    torch.save([content.normalised(digits, DC["mnist"]), torch.arange(3)], tmp_path / "data.pt")
    with pytest.raises(UserError, match="was it normalised otherwise"):
        imported(tmp_path / "data.pt", "idc", want)


@pytest.mark.parametrize(("ratio", "taken"), [(0.35, False), (0.45, True), (2.4, True), (2.8, False)])
def test_pixels_of_the_datas_mean_are_told_by_their_deviation(tmp_path: Path, ratio: float, taken: bool) -> None:
    noise = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = (noise - noise.mean((0, 2, 3), keepdim=True)) / noise.std((0, 2, 3), keepdim=True)
    torch.save([noise * ratio * 0.29 + 0.5, LABELS], path := tmp_path / "data.pt")
    if taken:
        assert imported(path, "idc", RGB).images.std().item() == pytest.approx(ratio * 0.29, rel=0.01)
        return
    with pytest.raises(UserError, match="was it normalised otherwise"):
        imported(path, "idc", RGB)


@pytest.mark.parametrize("name", ["mtt", "dc", "frepo", "kip"])
def test_whitened_images_come_back_by_the_statistics_of_the_whitening(name: str, tmp_path: Path) -> None:
    """As kornia whitens: by U (S + eps)^-1/2 U'; without the statistics, or by others, the images are refused."""
    pixels = torch.rand(400, 192, generator=torch.Generator().manual_seed(0))
    u, s, _ = torch.linalg.svd((pixels - pixels.mean(0)).T.cov())
    torch.save(
        {"mean": pixels.mean(0, keepdim=True), "inverse": u @ torch.diag((s + 0.1).sqrt()) @ u.T}, tmp_path / "zca.pt"
    )
    made = a_set(RGB, LABELS, torch.zeros(0, 4, dtype=torch.int64), True)
    want = RGB._replace(normalised=whitening.read(tmp_path / "zca.pt", 192))
    exported(made, path := tmp_path / PLACE[name], name, want)
    torch.testing.assert_close(imported(path, name, want).images, made.images, rtol=0, atol=1e-5)
    with pytest.raises(UserError):
        imported(path, name, RGB._replace(normalised=([0.0] * 3, [1.0] * 3)))
    with pytest.raises(UserError, match="mean .27. and inverse"):
        whitening.read(tmp_path / "zca.pt", 27)
    torch.save({"mean": torch.full((192,), torch.nan), "inverse": torch.eye(192)}, tmp_path / "zca.pt")
    with pytest.raises(UserError, match="not finite"):
        whitening.read(tmp_path / "zca.pt", 192)


def test_unnormalised_images_read_as_normalised_ones_are_found_out(tmp_path: Path) -> None:
    want = RGB._replace(normalised=([0.5] * 3, [0.05] * 3))
    torch.save({"data": [[GOOD, LABELS]]}, path := tmp_path / "res.pt")
    with pytest.raises(UserError, match="--anyway takes it as it is"):
        imported(path, "dc", want)
    assert imported(path, "dc", want, anyway=True).images.std() < 0.1


def test_conventions_are_known_by_the_start_of_a_name() -> None:
    assert statistics("dc", "cifar10-40k", 3) == DC["cifar10"] and statistics("dc", "CIFAR-100", 3) == DC["cifar100"]
    assert statistics("ddranking", "cifar100", 3) == DC["cifar10"]
    with pytest.raises(UserError, match="no mean and deviation known for flowers"):
        statistics("dc", "flowers", 3)
    with pytest.raises(UserError, match="of cifar10 are of 3 channels, cifar10-grey has 1; give its own: --normalised"):
        statistics("dc", "cifar10-grey", 1)
    assert set(formats.FACTOR) <= set(FORMATS)


@pytest.mark.parametrize(
    ("dataset", "kind"),
    [
        *((f"cifar10{rest}", "cifar10") for rest in ("", "-0", "-05", "-001", "--0", "-40k")),
        *((f"cifar-10{rest}", "cifar10") for rest in ("", "-0", "-40k")),
        *((name, "cifar100") for name in ("cifar100", "cifar-100", "cifar-100-x", "CIFAR100-0")),
        *((name, "fashionmnist") for name in ("fashion-mnist", "fashionmnist-0")),
    ],
)
def test_a_number_behind_a_name_makes_no_other_data_set(dataset: str, kind: str) -> None:
    assert statistics("dc", dataset, len(DC[kind][0])) == DC[kind]
