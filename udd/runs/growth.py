"""A cached network under way: looked at and trained age by age, with a checkpoint from which it goes on."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes

from udd.config.caches import cache_config
from udd.config.plan import canonical
from udd.data import Dataset
from udd.files import write_atomic
from udd.networks.architectures import Network
from udd.provenance import provenance
from udd.proxies import cached, caching
from udd.proxies.fresh import Trajectory, class_index, fresh_network
from udd.runs import checkpoint


def decisive(said: dict[str, Any]) -> dict[str, Any]:
    """What is said of a network, with that part of its provenance alone which decides whether its checkpoint may be
    gone on from."""
    origin = said.get("provenance", {})
    return said | {"provenance": {key: origin.get(key) for key in ("code", "device")}}


class Growth:
    """One network under way: the trajectory, and what was seen of it so far, one mapping an age."""

    def __init__(self, path: Path, config: dict[str, Any], data: Dataset, member: int, inputs: str):
        self.path, self.part, self.data, self.distill = path, path.with_suffix(".checkpoint"), data, config["distill"]
        device = data.train_images.device
        of = {"member": member, "inputs": inputs, "provenance": provenance("udd.proxies.caching", device)}
        self.said = cache_config(config) | of
        kept = self.part.exists() and self.usable()
        # Trained before its first age only where no checkpoint holds a later one
        begins = self.distill | ({"pretrain_epochs": 0} if kept else {})
        self.made: Trajectory = caching.begun(data, begins, member)
        self.twin: Network = fresh_network(data, self.distill, torch.Generator(device))
        self.observe, self.index = (
            caching.observer(data, self.distill),
            class_index(data.train_labels, len(data.classes)),
        )
        self.seen: list[caching.Snapshot] = []
        self.begun, self.before = time.monotonic(), 0.0
        if kept:
            self.go_on()

    def advance(self) -> None:
        """Look at the network, and train it until its next age if there is one."""
        self.seen.append(caching.snapshot(self.made, self.twin, self.data, self.index, self.distill, self.observe))
        if not self.done:
            caching.grown(self.made, self.data, self.distill)

    @property
    def done(self) -> bool:
        """Whether all ages were seen."""
        return len(self.seen) == self.distill["cache_ages"]

    @property
    def seconds(self) -> float:
        """Seconds spent, those before the checkpoint included."""
        return self.before + time.monotonic() - self.begun

    def write(self, path: Path, more: caching.Snapshot) -> None:
        """Write what was seen, [ages, ...], with other tensors, atomically."""
        tensors = {name: value.cpu().contiguous() for name, value in (caching.stacked(self.seen) | more).items()}
        write_atomic(path, to_bytes(tensors, {"udd": json.dumps(self.said)}))

    def keep(self) -> None:
        """Write a checkpoint: what was seen, the network's state, its random stream."""
        state = checkpoint.network_state(self.made) | {"seconds": torch.tensor(self.seconds, dtype=torch.float64)}
        self.write(self.part, {f"state/{name}": value for name, value in state.items()})

    def usable(self) -> bool:
        """Whether the checkpoint is of the same network, code and kind of device, whatever the revision, versions and
        threads that say so: if not, a line says that the network begins anew."""
        found = cached.metadata(self.part)
        same = canonical(decisive(found)) == canonical(decisive(self.said))
        if not same:
            print(f"{self.part}: of another network, other code or another device; begins at age 0", file=sys.stderr)
        return same

    def go_on(self) -> None:
        """Take up what the checkpoint kept."""
        with safe_open(str(self.part), framework="pt", device=str(self.data.train_images.device)) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        state = {name.removeprefix("state/"): value for name, value in tensors.items() if name.startswith("state/")}
        whole = {name: value for name, value in tensors.items() if not name.startswith("state/")}
        self.seen = [dict(zip(whole, each, strict=True)) for each in zip(*whole.values(), strict=True)]
        checkpoint.restore_network(self.made, state)
        self.made.training.set_state(state["random/training"].cpu())
        self.made.inner, self.before = len(self.seen), float(state.get("seconds", torch.zeros(())))
        print(f"goes on from {self.part}: age {self.made.inner} of {self.distill['cache_ages']}", file=sys.stderr)
