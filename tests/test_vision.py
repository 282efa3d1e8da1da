"""torchvision imports whatever its build, and only when asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from udd.data import vision

# What a GPU build of torchvision does beside a CPU build of torch.
MISMATCHED = """
import torch
if not (hasattr(torch.ops.torchvision, "nms") and hasattr(torch.ops.torchvision, "qnms")):
    raise RuntimeError("operator torchvision::nms does not exist")
"""


def python(code: str, path: Path | None = None) -> subprocess.CompletedProcess:
    """Run `code` in a fresh interpreter, with `path` before all packages."""
    insert = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else ""
    return subprocess.run([sys.executable, "-c", insert + code], capture_output=True, text=True, check=False)


def fake_torchvision(path: Path, code: str) -> Path:
    (path / "torchvision").mkdir()
    (path / "torchvision" / "__init__.py").write_text(code)
    (path / "torchvision" / "datasets.py").write_text("found = True\n")
    return path


def test_the_installed_torchvision_imports():
    assert vision.torchvision().__name__ == "torchvision"
    assert len(vision.torchvision("datasets").MNIST.resources) == 4
    assert vision.torchvision("transforms").CenterCrop(3).size == (3, 3)


def test_a_mismatched_build_is_mended_and_stays_mended(tmp_path):
    fake_torchvision(tmp_path, MISMATCHED)
    code = "import gc\nfrom udd.data.vision import torchvision\nassert torchvision('datasets').found; gc.collect()\n"
    code += "import torch\nassert torch.ops.torchvision.nms and torchvision().__name__ == 'torchvision'"
    result = python(code, tmp_path)
    assert result.returncode == 0, result.stderr


def test_another_error_is_not_hidden(tmp_path):
    fake_torchvision(tmp_path, "raise RuntimeError('something else')")
    result = python("from udd.data.vision import torchvision\ntorchvision()", tmp_path)
    assert "RuntimeError: something else" in result.stderr


def test_the_data_module_imports_without_torchvision_scikit_learn_and_scipy():
    result = python("import sys, udd.data\nassert not {'torchvision', 'sklearn', 'scipy', 'yaml'} & set(sys.modules)")
    assert result.returncode == 0, result.stderr
