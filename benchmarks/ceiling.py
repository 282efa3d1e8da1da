"""What share of the device's arithmetic the matching step at IPC 10 gets: its FLOP/s over the best that the network's
own convolutions attain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import step, timing
from benchmarks.problem import Problem, problem
from benchmarks.settings import Row, Settings, Size, Tables, size, ways

LAYOUTS = {"rows": torch.contiguous_format, "channels last": torch.channels_last}
PASSES = {"forward": None, "input gradient": [True, False, False], "weight gradient": [False, True, False]}
AT_ONCE = {"cpu": (1,), "cuda": (1, 10)}  # batches together: a GPU may need those of all classes to be full
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TIMED = 0.01  # seconds of calls between two looks at the clock


class Convolution(NamedTuple):
    """A 3x3 convolution of `inputs` to `outputs` maps of `side` pixels, on so many images."""

    inputs: int
    outputs: int
    side: int
    images: int

    @property
    def flop(self) -> int:
        """Of each of its passes; a multiply-add is two."""
        return 2 * 9 * self.inputs * self.outputs * self.side**2 * self.images


def convolutions(sizes: Size, device: torch.device) -> list[Convolution]:
    """Those of ConvNet-3, on a real batch (and on ten, for a GPU)."""
    sides = [(3, sizes.side), (sizes.width, sizes.side // 2), (sizes.width, sizes.side // 4)]
    return [
        Convolution(inputs, sizes.width, side, many * sizes.real)
        for many in AT_ONCE[device.type]
        for inputs, side in sides
    ]


def one_pass(of: Convolution, which: str, precision: str, layout: str, device: torch.device) -> Callable[[], Any]:
    """One pass of a convolution on random numbers."""
    kind: dict[str, Any] = {"device": device, "dtype": PRECISIONS[precision]}

    def laid(*shape: int) -> Tensor:
        return torch.randn(*shape, **kind).to(memory_format=LAYOUTS[layout])

    x, weight = laid(of.images, of.inputs, of.side, of.side), laid(of.outputs, of.inputs, 3, 3)
    upstream, mask = laid(of.images, of.outputs, of.side, of.side), PASSES[which]
    if mask is None:
        return lambda: F.conv2d(x, weight, padding=1)
    # Stride, padding, dilation, transposed, output padding, groups
    geometry = ([1, 1], [1, 1], [1, 1], False, [0, 0], 1)
    return lambda: torch.ops.aten.convolution_backward(upstream, x, weight, None, *geometry, mask)


def rate(of: Convolution, once: Callable[[], Any], settings: Settings, seconds: float) -> float:
    """The FLOP/s of a pass: the best of as many rows of calls as fit into `seconds`."""
    once()
    calls = max(1, round(TIMED / timing.once(once, settings.device)))

    def calls_in_a_row() -> None:
        for _ in range(calls):
            once()

    return of.flop * calls / min(timing.rounds({"": calls_in_a_row}, settings.device, seconds)[""])


def attained(sizes: Size, settings: Settings) -> list[Row]:
    """The FLOP/s of every pass of every convolution, in each precision and layout."""
    rows: list[Row] = [
        {"precision": precision, "layout": layout, "pass": which} | of._asdict() | {"of": of}
        for precision in PRECISIONS
        for of in convolutions(sizes, settings.device)
        for which in PASSES
        for layout in LAYOUTS
    ]
    seconds = settings.seconds * len(PRECISIONS) / len(rows)
    for row in rows:
        of = row.pop("of")
        row["TFLOP/s"] = (
            rate(of, one_pass(of, row["pass"], row["precision"], row["layout"], settings.device), settings, seconds)
            / 1e12
        )
    return rows


def mixture(rows: list[Row]) -> float:
    """The TFLOP/s of one pass of every kind after another, each at its best (over layouts and batches)."""
    best: dict[tuple, float] = {}
    flop: dict[tuple, int] = {}
    for row in rows:
        key = (row["inputs"], row["side"], row["pass"])
        best[key] = max(row["TFLOP/s"], best.get(key, 0.0))
        flop[key] = Convolution(row["inputs"], row["outputs"], row["side"], 1).flop
    return sum(flop.values()) / sum(flop[key] / best[key] for key in flop)


def needed(given: Problem) -> int:
    """The FLOP of a matching step, counted as the reference takes it."""
    with FlopCounterMode(display=False) as counter:
        step.of_reference(given)()
    return counter.get_total_flops()


def shares(sizes: Size, rows: list[Row], settings: Settings) -> list[Row]:
    """Our step's TFLOP/s, and its share of the best convolution's and of the mixture's in its precision."""
    torch.compiler.reset()
    given = problem(sizes, step.OUTPUTS["cifar10"], sizes.ipc[1], settings.device)
    flop, configured = needed(given), ways(settings)
    taken = timing.compare(
        {name: step.of_package(given, way) for name, way in configured.items()},
        settings.device,
        settings.seconds * len(configured),
    )
    found = []
    for name, each in taken.items():
        same = [row for row in rows if row["precision"] == configured[name]["precision"]]
        speed, top, mixed = flop / each.seconds / 1e12, max(row["TFLOP/s"] for row in same), mixture(same)
        about = {"way": name, "IPC": sizes.ipc[1], "TFLOP": flop / 1e12, "seconds": each.seconds, "TFLOP/s": speed}
        found.append(about | {"ceiling": top, "share": speed / top, "mixture": mixed, "share of it": speed / mixed})
    return found


def run(settings: Settings) -> Tables:
    """The convolutions, then the step."""
    sizes = size(settings)
    torch.backends.cudnn.benchmark = True  # the ceiling is the fastest algorithm's
    rows = attained(sizes, settings)
    torch.backends.cudnn.benchmark = False
    return {"convolutions": rows, "ceiling": shares(sizes, rows, settings)}
