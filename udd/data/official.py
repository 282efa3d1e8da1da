"""The data sets that torchvision knows: MNIST, FashionMNIST, SVHN, CIFAR-10 and CIFAR-100.

URLs, checksums, file names and folders are torchvision's, so a root that torchvision filled is used as it is, and the
other way round. A file that is there is verified by its official MD5 and never fetched again. One that is not is
downloaded into memory, verified, and only then written, in one step: what an interruption leaves never looks complete.
Nothing is unpacked on the disk: archives are read where they are.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import pickle
import struct
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from udd.data.images import fit_all
from udd.data.raw import Raw, entry, named
from udd.data.vision import torchvision
from udd.errors import UserError
from udd.files import write_atomic

WAITS = (1, 3, 9)  # seconds between the attempts of a download
TIMEOUT = 60  # seconds without a byte


def read_idx_set(official: str, config: dict[str, Any], root: Path, _threads: int) -> Raw:
    """Read MNIST or FashionMNIST: four gzipped idx files in `<official>/raw`."""
    described = getattr(torchvision("datasets"), official)
    base = root / (config.get("path") or "")
    contents, files = {}, []
    for name, md5 in described.resources:
        relative = f"{official}/raw/{name}"
        contents[name] = obtain(base / relative, [mirror + name for mirror in described.mirrors], md5)
        files.append(entry(relative, contents[name]))
    classes = named(config, [name.split(" - ")[0] for name in described.classes])  # MNIST's are "0 - zero"
    arrays = []
    for part in ("train", "t10k"):
        arrays.append(fit_all(idx(contents[f"{part}-images-idx3-ubyte.gz"])[:, None], config.get("size")))
        arrays.append(idx(contents[f"{part}-labels-idx1-ubyte.gz"]).astype(np.int64))
    return Raw(base / official, classes, files, *arrays)


def idx(data: bytes) -> np.ndarray:
    """The uint8 array in a gzipped idx file: two zero bytes, the type (8), the number of axes,
    their lengths, the values."""
    data = gzip.decompress(data)
    shape = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def read_svhn(official: str, config: dict[str, Any], root: Path, _threads: int) -> Raw:
    """Read SVHN's cropped digits: train_32x32.mat and test_32x32.mat. The files call the digit 0
    class 10; here it is class 0."""
    import scipy.io

    described = getattr(torchvision("datasets"), official)
    base = root / (config.get("path") or "")
    arrays, files = [], []
    for part in ("train", "test"):
        url, name, md5 = described.split_list[part]
        data = obtain(base / name, [url], md5)
        files.append(entry(name, data))
        content = scipy.io.loadmat(io.BytesIO(data))
        # From [H, W, K, n]
        arrays.append(fit_all(np.ascontiguousarray(content["X"].transpose(3, 2, 0, 1)), config.get("size")))
        arrays.append(content["y"].reshape(-1).astype(np.int64) % 10)
    return Raw(base, named(config, [str(digit) for digit in range(10)]), files, *arrays)


def read_cifar(official: str, config: dict[str, Any], root: Path, _threads: int) -> Raw:
    """Read CIFAR-10 or CIFAR-100 from its archive, or from the folder that torchvision unpacked."""
    described = getattr(torchvision("datasets"), official)
    base = root / (config.get("path") or "")
    meta = described.meta["filename"]
    contents = cifar_contents(
        described, base, dict([*described.train_list, *described.test_list, (meta, described.meta["md5"])])
    )
    # The official ones: verified
    batches = {name: pickle.loads(data, encoding="latin1") for name, data in contents.items()}
    arrays = []
    for part in (described.train_list, described.test_list):
        images = np.concatenate([batches[name]["data"] for name, _ in part]).reshape(-1, 3, 32, 32)
        labels = [label for name, _ in part for label in batches[name].get("labels", batches[name].get("fine_labels"))]
        arrays += [fit_all(images, config.get("size")), np.array(labels, np.int64)]
    classes = named(config, batches[meta][described.meta["key"]])
    files = [entry(f"{described.base_folder}/{name}", data) for name, data in contents.items()]
    return Raw(base / described.base_folder, classes, files, *arrays)


def cifar_contents(described: Any, base: Path, names: dict[str, str]) -> dict[str, bytes]:
    """CIFAR's batches by name, from the archive if it is there, else from the unpacked folder, else from a download."""
    archive, folder = base / described.filename, base / described.base_folder
    if not archive.exists() and all((folder / name).exists() for name in names):
        return {name: obtain(folder / name, [], md5) for name, md5 in names.items()}
    contents = {}
    with tarfile.open(fileobj=io.BytesIO(obtain(archive, [described.url], described.tgz_md5))) as tar:
        for member in tar:  # in the archive's order: going back would decompress it from its start
            file = tar.extractfile(member)
            contents[Path(member.name).name] = file.read() if file else b""
    return {name: contents[name] for name in names}


def obtain(path: Path, urls: list[str], md5: str, pause: Callable[[float], None] = time.sleep) -> bytes:
    """The content of an official file, downloaded if it is not there. Raises UserError if
    it is not what its MD5 promises."""
    if not path.exists():
        try:
            write_atomic(path, download(path, urls, md5, pause))
        except UserError as error:
            unpacked = path.with_suffix("")
            if path.suffix != ".gz" or not unpacked.exists():
                raise
            raise UserError(
                f"{error}; {unpacked.name} beside it cannot stand in, only {path.name} has a published checksum"
            ) from None
    data = path.read_bytes()
    if digest(data) != md5:
        found = f"{len(data)} bytes with MD5 {digest(data)}, expected {md5}"
        raise UserError(f"{path}: corrupt or truncated ({found}); delete it, and it is downloaded again")
    return data


def download(path: Path, urls: list[str], md5: str, pause: Callable[[float], None]) -> bytes:
    """Fetch `path`'s content from the first of `urls` that gives what `md5` promises, trying again after pauses."""
    reason = ""
    for wait in (0, *WAITS):
        pause(wait)
        for url in urls:
            print(f"downloading {url}", file=sys.stderr)
            try:
                with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
                    data = response.read()
            except (OSError, http.client.HTTPException) as error:
                reason = f"{url}: {error}"
                continue
            if digest(data) == md5:
                return data
            reason = f"{url}: {len(data)} bytes with MD5 {digest(data)}, expected {md5}"
    raise UserError(
        f"{path}: not there, and the download failed ({reason}); put the file there or run again with a network"
    )


def digest(data: bytes) -> str:
    """The MD5 of `data`: the checksum that these data sets publish, good against accidents only."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
