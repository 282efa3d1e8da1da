"""On a GPU a function of tensors is recorded once for each shape, as a CUDA graph, and played back
from then on: launching its hundreds of small kernels one by one takes longer than they do.
Elsewhere functions are called as they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

WARM_UP = 3  # calls before a recording: they compile, choose kernels, and take the memory that libraries keep


class Recording(NamedTuple):
    """A graph, the tensors that it reads, and what it writes: anew at each playing."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    outputs: Any


def called(function: Callable[..., Any], *args: Any) -> Any:
    """The function of its arguments, as it is."""
    return function(*args)


def player(
    device: torch.device, touched: Iterable[Tensor] = (), generators: Sequence[torch.Generator] = ()
) -> Callable[..., Any]:
    """What calls functions on this device: a `Player` on a GPU, else `called`."""
    return Player(list(touched), generators) if device.type == "cuda" else called


class Player:
    """Calls functions on a GPU by recordings of them.

    A function may be given tensors (also in tuples, lists, dicts), which it must not change, and anything
    hashable, which is taken for constant: a recording is made for every shape and constant. What else it reads
    stays where it is in memory: a network's weights. touched: tensors that it changes in place, generators: those
    that it draws from; the calls before a recording leave them as they were. A function that cannot be recorded
    is called as it is, and that is said.
    """

    def __init__(self, touched: list[Tensor], generators: Sequence[torch.Generator]):
        self.touched, self.generators = touched, generators
        self.recordings: dict[Hashable, Recording | None] = {}
        self.pool: Any = None

    def __call__(self, function: Callable[..., Any], *args: Any) -> Any:
        """The function of its arguments; what it gives is in tensors of the caller's own."""
        leaves, tree = pytree.tree_flatten(args)
        key = (function, str(tree), *map(kind, leaves))
        if key not in self.recordings:
            self.recordings[key] = self.recorded(function, leaves, tree)
        made = self.recordings[key]
        if made is None:
            return function(*args)
        for kept, given in zip(made.inputs, filter(torch.is_tensor, leaves), strict=True):
            kept.copy_(given)
        made.graph.replay()
        return pytree.tree_map(lambda leaf: leaf.clone() if torch.is_tensor(leaf) else leaf, made.outputs)

    def recorded(self, function: Callable[..., Any], leaves: list[Any], tree: pytree.TreeSpec) -> Recording | None:
        """A recording of the function on tensors like the given ones; None if there can be none."""
        kept = [leaf.clone() if torch.is_tensor(leaf) else leaf for leaf in leaves]
        args = pytree.tree_unflatten(kept, tree)
        self.warm_up(lambda: function(*args))
        try:
            graph, outputs = capture(lambda: function(*args), self.generators, self.pool)
        except RuntimeError as error:
            print(
                f"{function.__name__}: not recorded, called as it is ({' '.join(str(error).split())[:200]})",
                file=sys.stderr,
            )
            return None
        # Shared: recordings are played one after the other, and nothing of theirs is read later
        self.pool = self.pool or graph.pool()
        return Recording(graph, [leaf for leaf in kept if torch.is_tensor(leaf)], outputs)

    def warm_up(self, call: Callable[[], Any]) -> None:
        """Call a few times, and put back what that changed."""
        before, states = (
            [tensor.detach().clone() for tensor in self.touched],
            [generator.get_state() for generator in self.generators],
        )
        with aside():
            for _ in range(WARM_UP):
                call()
        with torch.no_grad():
            for tensor, value in zip(self.touched, before, strict=True):
                tensor.copy_(value)
        for generator, state in zip(self.generators, states, strict=True):
            generator.set_state(state)


@contextmanager
def aside() -> Iterator[None]:
    """A stream of its own, as recordings want it for the calls before them."""
    main, side = torch.cuda.current_stream(), torch.cuda.Stream()
    side.wait_stream(main)
    with torch.cuda.stream(side):
        yield
    main.wait_stream(side)


def capture(
    call: Callable[[], Any], generators: Sequence[torch.Generator], pool: Any
) -> tuple[torch.cuda.CUDAGraph, Any]:
    """The graph of a call, and the tensors that it will write. Raises RuntimeError if the call waits for the GPU."""
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph, pool=pool):
        outputs = call()
    return graph, outputs


def kind(leaf: Any) -> Hashable:
    """What a recording depends on: of a tensor its shape and type, of anything else itself."""
    return (tuple(leaf.shape), leaf.dtype, leaf.device) if torch.is_tensor(leaf) else leaf
