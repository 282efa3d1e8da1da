"""Jobs that share their work: sets that meet the same networks advance in one process, though the workflow asks for them one by one.

The workflow plans *companies* of the results it is about to make. The job that starts first makes its whole company and lays each result on
a *shelf*, from which that result's own job takes it. A result on the shelf is known by the digest of its configuration, of the code that
makes it and of its inputs; one that was made on another machine can be laid there too (udd.runs.shelf). Never imports torch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from udd.config.plan import canonical
from udd.files import read_json, try_lock, write_atomic, write_json
from udd.runs.shelf import digest

Config = dict[str, Any]
SHARED = ("network", "width", "networks", "pool", "outer", "inner", "pretrain_epochs", "batch_real", "matched", "matching_augment")
SHARED += ("precision", "compile")


class Company(NamedTuple):
    """Configurations of results to be made in one process; `key` is what they share; `done` is written when they were made."""

    key: str
    members: list[Config]
    done: Path


def shared_part(distill: Config) -> Config:
    """The part of a distillation's configuration that decides its networks: sets of a data set and seed that agree in it can run in lockstep."""
    return {key: value for key, value in distill.items() if key in SHARED or key.startswith(("net_", "cutmix_"))}


def networks_config(config: Config) -> Config:
    """What decides the networks that a set meets: data set, seed, and the shared part of its configuration."""
    return {"dataset": config["dataset"], "seed": config["seed"], "distill": shared_part(config["distill"])}


def write_plan(path: Path, pending: Iterable[Config], key: Callable[[Config], str], each: int, begun: Iterable[list[Config]] = ()) -> None:
    """Plan companies of what is pending, and forget the last plan. What shares `key` is dealt out to `each` companies.

    begun: companies of an earlier run that left a checkpoint; they stay together while one of them is wanted.
    """
    wanted = {canonical(config): config for config in pending}
    companies: list[list[Config]] = []
    for members in begun:
        if any(canonical(config) in wanted for config in members):
            companies.append(members)
            for config in members:
                wanted.pop(canonical(config), None)
    groups: dict[str, list[Config]] = {}
    for config in wanted.values():
        groups.setdefault(key(config), []).append(config)
    for group in groups.values():
        companies += [group[first::each] for first in range(min(each, len(group)))]
    for old in path.parent.glob(f"{path.stem}-*.done"):
        old.unlink()
    write_json(path, [{"key": key(members[0]), "members": members} for members in companies])


def read_plan(path: Path) -> list[Company]:
    """The companies that were planned; none if there is no plan."""
    if not path.exists():
        return []
    return [Company(one["key"], one["members"], done_path(path, one["members"])) for one in read_json(path)]


def done_path(plan: Path, members: list[Config]) -> Path:
    """The file that says that a company was made, and whose lock says that it is being made; of it alone, whoever planned it."""
    return plan.with_name(f"{plan.stem}-{hashlib.sha256(canonical(members).encode()).hexdigest()[:12]}.done")


def company_of(config: Config, companies: Sequence[Company]) -> Company | None:
    """The company of a configuration, if it is planned to have one."""
    return next((company for company in companies if canonical(config) in map(canonical, company.members)), None)


def share(config: Config, plan: Path, take: Callable[[], bool], make: Callable[[list[Config]], None]) -> None:
    """Make this configuration's company unless another process does, and take the result.

    While another process is at it, this one makes a company of the same key that nobody has begun. Where nothing was planned, or what was
    made has been taken before, the result is made alone.
    """
    companies = read_plan(plan)
    own = company_of(config, companies)
    while not take():
        if own is None or own.done.exists():
            if own and take():  # it was made between the two looks
                return
            make([config])
            own = None
        elif not any(made(company, make) for company in companies if company.key == own.key):
            time.sleep(0.5)


def made(company: Company, make: Callable[[list[Config]], None]) -> bool:
    """Make a company, unless it is done or another process makes it. Whether this process did."""
    with try_lock(company.done) as free:
        if not free or company.done.exists():
            return False
        make(company.members)
        write_atomic(company.done, "")
        return True


def checkpoint_path(folder: Path, configs: list[Config], module: str, inputs: str) -> Path:
    """A company's checkpoint, named by its configurations, code and inputs; beside it they are written down, so that the company is found again."""
    path = folder / f"{digest(configs, module, inputs)}.safetensors"
    if not path.with_suffix(".json").exists():
        write_json(path.with_suffix(".json"), {"configs": configs, "inputs": inputs})
    return path


def begun(folder: Path, module: str) -> list[list[Config]]:
    """The companies that left a checkpoint which the present code can go on from."""
    found = [one for one in map(read_json, sorted(folder.glob("*.json"))) if isinstance(one, dict)]  # an earlier version wrote lists
    return [one["configs"] for one in found if (folder / f"{digest(one['configs'], module, one['inputs'])}.safetensors").exists()]
