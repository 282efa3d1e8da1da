"""The one door to torchvision, which is imported when first asked for and nowhere else.

A CPU build of torch beside torchvision's GPU build fails at `import torchvision` ("operator torchvision::nms does not
exist"): the C++ part, linked against CUDA, does not load, and the Python part then describes two operators that nobody
declared. Neither is of use here, so on that error they are declared and the import is tried again. Data sets,
transforms, models and utilities then work; `torchvision.io` does not (images are read with Pillow).
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []  # a torch.library.Library takes its operators with it when it is collected


def torchvision(submodule: str = "") -> ModuleType:
    """Import and return torchvision, or `torchvision.<submodule>`. Raises ImportError if it is not installed."""
    name = f"torchvision.{submodule}".rstrip(".")
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    declare_operators()
    return importlib.import_module(name)


def declare_operators() -> None:
    """Declare the schemas that torchvision's Python part expects from its C++ part."""
    import torch  # not above: of what is read without torchvision it would be half the time

    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + SCHEMA)
    _declared.append(library)
