"""The steps of all jobs, priced, and added up by kind of job and data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch

from udd.config.plan import unique
from udd.costs.calibration import Pace, pace_key
from udd.costs.flops import flop
from udd.costs.memory import in_all, taken
from udd.costs.schedule import Steps, together, widest
from udd.costs.steps import Step
from udd.costs.workload import Workload


class Estimate(NamedTuple):
    """What some jobs take: their number, FLOP, seconds one after another, the peak bytes of the largest, the
    bytes of caches they leave."""

    jobs: int
    flop: int
    seconds: float
    bytes: int
    disk: int = 0


def cost(number: int, steps: Steps, speeds: dict[Step, Pace], most: int, disk: int = 0) -> Estimate:
    """The cost of so many jobs that take these steps, the largest of which needs `most` bytes."""
    seconds = sum(count * speeds[pace_key(step)].seconds(step.images) for step, count in steps.items())
    return Estimate(number, sum(count * flop(step) for step, count in steps.items()), seconds, most, disk)


def largest(job: Workload, device: torch.device) -> int:
    """The peak bytes of the job's step that takes most; of a kind only the one on most images is looked at. Where the
    method's own step was followed whole, the steps that stand for it (udd.costs.own) are none that is taken."""
    steps = job.shared if job.step else together(job.own, job.shared)
    return max((in_all(job.step, device), *(taken(step, device) for step in widest(steps))))


def alone(found: list[Workload], speeds: dict[Step, Pace], device: torch.device) -> Estimate:
    """The cost of jobs, each by itself."""
    steps = together(*(steps for job in found for steps in (job.own, job.shared)))
    most = max(largest(job, device) + job.data + job.held for job in found)
    return cost(len(found), steps, speeds, most, sum(job.disk for job in found))


def total(costs: Iterable[Estimate]) -> Estimate:
    """All of them, one job after another."""
    number, flops, seconds, most, disk = zip(*costs, strict=True)
    return Estimate(sum(number), sum(flops), sum(seconds), max(most), sum(disk))


def costs(found: list[Workload], speeds: dict[Step, Pace], device: torch.device) -> dict[tuple[str, str], Estimate]:
    """The costs by kind and data set. Last their total, of no data set."""
    kinds = unique((job.kind, job.dataset) for job in found)
    single = {key: alone([job for job in found if (job.kind, job.dataset) == key], speeds, device) for key in kinds}
    return dict(sorted(single.items(), key=lambda item: item[0][0])) | {("total", ""): total(single.values())}
