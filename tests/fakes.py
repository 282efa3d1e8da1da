"""Writers of tiny data sets in the genuine formats. Images are noise; labels run through the classes in turn."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def noise(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Random uint8 images [n, *shape]."""
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def labels(n: int, classes: int) -> np.ndarray:
    """0, 1, ..., C-1, 0, 1, ..."""
    return np.arange(n) % classes


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def idx(array: np.ndarray) -> bytes:
    """An array as a gzipped idx file."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.astype(np.uint8).tobytes(), mtime=0)


def write_mnist(root: Path, name: str = "MNIST", train: int = 40, test: int = 20) -> list[tuple[str, str]]:
    """Write `<name>/raw/*.gz`; returns torchvision's `resources` for it."""
    resources = []
    for part, n in (("train", train), ("t10k", test)):
        for what, array in (("images-idx3", noise(n, 28, 28, seed=n)), ("labels-idx1", labels(n, 10))):
            path = write(root / name / "raw" / f"{part}-{what}-ubyte.gz", idx(array))
            resources.append((path.name, md5(path)))
    return resources


def write_svhn(root: Path, train: int = 40, test: int = 20) -> dict[str, list[str]]:
    """Write the two .mat files, the digit 0 as class 10; returns torchvision's `split_list` for them."""
    import scipy.io

    described = {}
    for part, n in (("train", train), ("test", test)):
        content = io.BytesIO()
        scipy.io.savemat(
            content, {"X": noise(32, 32, 3, n, seed=n), "y": (labels(n, 10) + 1)[:, None].astype(np.uint8)}
        )
        path = write(root / f"{part}_32x32.mat", content.getvalue())
        described[part] = [f"http://nowhere.invalid/{path.name}", path.name, md5(path)]
    return described


def write_cifar(root: Path, classes: int, train: int, test: int) -> dict[str, Any]:
    """Write CIFAR's archive (10 or 100 classes) with its folder of pickles beside it; returns
    torchvision's attributes for it."""
    key, meta = ("labels", "batches.meta") if classes == 10 else ("fine_labels", "meta")
    meta_key = key.removesuffix("s") + "_names"
    batches = [f"data_batch_{i}" for i in range(1, 6)] if classes == 10 else ["train"]
    base = root / ("cifar-10-batches-py" if classes == 10 else "cifar-100-python")
    last = "test_batch" if classes == 10 else "test"
    names = []
    for name, n in [(batch, train // len(batches)) for batch in batches] + [(last, test)]:
        content = {"data": noise(n, 3072, seed=len(names)), key: labels(n, classes).tolist()}
        names.append([name, md5(write(base / name, pickle.dumps(content, protocol=2)))])
    content = {meta_key: [f"class {label}" for label in range(classes)]}
    meta_md5 = md5(write(base / meta, pickle.dumps(content, protocol=2)))
    archive = root / ("cifar-10-python.tar.gz" if classes == 10 else "cifar-100-python.tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(base, base.name)
    described = {"filename": meta, "key": meta_key, "md5": meta_md5}
    return {"train_list": names[:-1], "test_list": names[-1:], "meta": described, "tgz_md5": md5(archive)}


def write_npz(path: Path, classes: int = 3, shape: tuple[int, ...] = (8, 8, 3), **replaced: Any) -> Path:
    """Write MedMNIST's layout, 12 and 6 images, labels [n, 1]; `replaced` overrides arrays, and None leaves one out."""
    arrays: dict[str, Any] = {}
    for part, n in (("train", 12), ("val", 2), ("test", 6)):
        arrays |= {f"{part}_images": noise(n, *shape, seed=n), f"{part}_labels": labels(n, classes)[:, None]}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{key: value for key, value in (arrays | replaced).items() if value is not None})
    return path


def write_tree(
    base: Path,
    classes: tuple[str, ...] = ("cat", "dog"),
    splits: tuple[str, ...] = ("train", "test"),
    n: int = 3,
    mode: str = "RGB",
    size: tuple[int, int] = (10, 8),
    suffix: str = ".png",
) -> Path:
    """Write `<split>/<class>/<i><suffix>`, images of `size` (width, height)."""
    for split in splits:
        for name in classes:
            for i in range(n):
                path = base / split / name / f"{i}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                image(mode, size, seed=i).save(path)
    return base


def image(mode: str = "RGB", size: tuple[int, int] = (10, 8), seed: int = 0) -> Image.Image:
    """A noise image."""
    return Image.fromarray(noise(1, size[1], size[0], 3, seed=seed)[0]).convert(mode)


def harmed(whole: bytes, position: int, truncate: bool) -> bytes:
    """`whole` cut off at a position, or with one byte inverted there."""
    position %= len(whole)
    return whole[:position] + (b"" if truncate else bytes([whole[position] ^ 255]) + whole[position + 1 :])
