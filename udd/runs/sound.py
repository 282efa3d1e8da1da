"""What a method's module gives, looked through where it is given: its author reads which function, what was found and
what was expected, before a run is spent on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor

from udd.errors import UserError
from udd.methods import EXPERTS, OWN, PROXIES
from udd.synthetic.formats.content import no_pixels
from udd.synthetic.sets import SyntheticSet, fault


def refuse(method: str, function: str, found: str, expected: str) -> NoReturn:
    """Raise UserError: what a function of a method's module gave."""
    raise UserError(f"method {method}: {function} gave {found}, expected {expected}; see docs/add-a-method.md")


def kind(value: Any) -> str:
    """What a value is, in words."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else f"a value of {type(value).__name__}"


def check_meets(method: str, module: Any) -> None:
    """Raise UserError unless a method says which networks its steps meet."""
    found = getattr(module, "MEETS", None)
    if found not in (PROXIES, OWN, EXPERTS):
        expected = "PROXIES, OWN or EXPERTS of udd.methods"
        raise UserError(f"method {method}: found MEETS = {found!r}, expected {expected}; see docs/add-a-method.md")


def check_state(method: str, function: str, state: Any, shape: Sequence[int]) -> None:
    """Raise UserError unless a state is a NamedTuple of tensors, or tuples of them, which a checkpoint can keep, with
    `images` float32 of this shape [C, B, K, H, W]."""
    fields = getattr(state, "_asdict", dict)()
    for name, value in fields.items():
        for each in value if isinstance(value, tuple) else (value,):
            if not isinstance(each, Tensor):
                refuse(method, function, f"a state whose {name} holds {kind(each)}", "tensors, or tuples of them")
    if "images" not in fields:
        refuse(method, function, kind(state), "a NamedTuple of tensors with the field images")
    images = fields["images"]
    if not isinstance(images, Tensor) or list(images.shape) != list(shape) or images.dtype != torch.float32:
        refuse(method, function, f"images of {kind(images)}", f"torch.float32 {list(shape)} [C, B, K, H, W]")


def check_step(method: str, given: Any, shape: Sequence[int]) -> None:
    """Raise UserError unless a step gave a state, as `check_state` has it, and scalars by name, [C] or [] each."""
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[1], dict):
        refuse(method, "step", kind(given), "a state and a dict of scalars")
    check_state(method, "step", given[0], shape)
    for name, value in given[1].items():
        if not isinstance(value, Tensor) or list(value.shape) not in ([], [shape[0]]):
            refuse(method, "step", f"the scalar {name} as {kind(value)}", f"a tensor [{shape[0]}] or []")


def check_finished(method: str, made: Any) -> None:
    """Raise UserError unless a set is one that networks can be trained on: its tensors fit together, its pixels are
    numbers near [0, 1], soft labels sum to 1."""
    if not isinstance(made, SyntheticSet):
        refuse(method, "finish", kind(made), "a SyntheticSet")
    if wrong := fault(made):
        refuse(method, "finish", f"a set that is none: {wrong}", "one that fits together")
    labels = made.labels
    if wrong := no_pixels(made.images):
        refuse(method, "finish", f"a set whose {wrong}", "pixels that networks can see")
    if labels.dtype not in (torch.int64, torch.float32):
        refuse(method, "finish", f"labels of {labels.dtype}", "int64 [n] or float32 [n, C]")
    if labels.ndim == 2 and not ((labels.sum(1) - 1).abs() < 1e-3).all():
        refuse(method, "finish", f"labels that come to {labels.sum(1).min():.3g}", "probabilities, which come to 1")
