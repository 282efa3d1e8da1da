"""Files of torch.save, read without running anything that they bring."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from udd.errors import UserError
from udd.files import atomic_path


def read(path: Path) -> Any:
    """Tensors, lists and dicts of a file. Raises UserError for anything else in it: such a file can run code."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of a pickle of another protocol
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except pickle.UnpicklingError as error:
        what = (
            "it holds more than tensors, lists and dicts, and such a file can run code"
            if "global" in str(error).lower()
            else "not a file of torch.save"
        )
        raise UserError(f"{path}: {what}; it is not read") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, IndexError, TypeError) as error:
        raise UserError(f"{path}: not a whole file of torch.save ({' '.join(str(error).split())[:100]})") from None


def write(path: Path, value: Any) -> None:
    """Write atomically."""
    with atomic_path(path) as temporary:
        try:
            torch.save(value, temporary)
        except RuntimeError as error:  # torch's own writer, of a full disk
            raise OSError(f"torch.save: {' '.join(str(error).split())[:100]}") from None
