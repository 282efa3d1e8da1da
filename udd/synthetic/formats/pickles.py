"""Files of torch.save, read without running anything that they bring."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from udd.errors import UserError
from udd.files import atomic_path

# DC's files hold their accuracies as NumPy's numbers; NumPy 1 calls the same constructor otherwise
NUMBERS: list[Any] = [
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64)),
    np._core.multiarray.scalar,  # type: ignore[attr-defined]
    (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]
]


def read(path: Path) -> Any:
    """Tensors, lists, dicts and numbers of a file, NumPy's too. Raises UserError for anything else in it: such a file
    can run code."""
    if path.is_dir():
        raise UserError(f"{path}: a folder, expected a file; name the file of images in it")
    try:
        # Warnings of a pickle of another protocol; by a path torch would go by its ending
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals(NUMBERS),
            path.open("rb") as file,
        ):
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        raise UserError(f"{path}: {refused(str(error))}") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise UserError(f"{path}: not a whole file of torch.save ({' '.join(str(error).split())[:100]})") from None


def refused(error: str) -> str:
    """Why torch read no more, and what to do."""
    if "multiarray._reconstruct" in error:
        return "it holds NumPy arrays; save them as tensors (torch.from_numpy), or all of it by numpy.savez (--as npz)"
    if "global" in error.lower():
        return "it holds more than tensors, lists and dicts, and such a file can run code; it is not read"
    return "not a file of torch.save; it is not read"


def write(path: Path, value: Any) -> None:
    """Write atomically."""
    with atomic_path(path) as temporary:
        try:
            torch.save(value, temporary)
        except RuntimeError as error:  # torch's own writer, of a full disk
            raise OSError(f"torch.save: {' '.join(str(error).split())[:100]}") from None
