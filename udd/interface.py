"""The Python interface: any method on a data set (udd.sources). How good what it made is: udd.accuracy."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from udd.config import params as parameters
from udd.config import plan
from udd.config.caches import cache_name
from udd.config.fitting import check_fit
from udd.config.schema_errors import suggestion
from udd.config.sections import METHODS, defaults, distils
from udd.data import Dataset
from udd.device import setup
from udd.errors import UserError
from udd.files import check_set, check_writable, passing_lock
from udd.given import amount, check_data, check_file, check_pixels, check_places, plain, whole
from udd.methods import coresets, modules
from udd.provenance import code_digest, provenance
from udd.runs.cache import needed
from udd.runs.checkpoint import check
from udd.runs.completing import complete
from udd.runs.loop import Distillation, mark
from udd.runs.progress import write_curve
from udd.runs.smaller import chosen, smaller, trimmed
from udd.surroundings import set_aside
from udd.synthetic.sets import SyntheticSet
from udd.synthetic.sets import load as load_set

__all__ = ["distill", "load"]

Config = dict[str, Any]


def configuration(data: Dataset, method: str, ipc: int, seed: int, keys: dict[str, Any]) -> tuple[plan.Params, Config]:
    """All parameters with this data set in them, and the resolved configuration of one set. Raises UserError for
    an unknown method or key, and for what is no data set, ipc or seed."""
    check_data(data)
    ipc, seed, keys = whole("ipc", ipc, 1), whole("seed", seed, 0), {key: plain(keys[key]) for key in keys}
    params = parameters.load([parameters.DEFAULTS])
    check_method(params, method)
    declare(params, data)
    variant = params["variants"][method]
    cell = plan.Cell(data.name, ipc, method)
    # Its sections, as they are for this cell, come below
    here = {key: value for key, value in variant.items() if key in ("method", "times")}
    params["variants"][method] = here | by_section(METHODS[plan.method(params, method)], variant, cell, keys)
    params = parameters.check(params, "distill")
    return params, plan.set_config(params, cell, seed)


def check_method(params: plan.Params, method: Any) -> None:
    """Raise UserError unless a variant of params.yaml that makes sets is called so."""
    known = [name for name in params["variants"] if name != "full"]
    if isinstance(method, str) and method in METHODS and method not in params["variants"]:
        raise UserError(
            f"method {method}: no variant of params.yaml has it; add `{method}: {{method: {method}}}` to its variants"
        )
    if method not in known:
        raise UserError(f"method {method}: {suggestion(method, known)}")


def load(path: str | Path) -> SyntheticSet:
    """Read a set. Raises UserError if the file is missing, a folder, truncated, not a set, of another format, or holds
    no pixels that networks could be trained on."""
    if path is None:
        raise UserError("set: found None, expected a path as text")
    check_file("set", path)
    check_set(path)
    made = load_set(path)
    check_pixels(str(path), made)
    return made


def known_keys(method: str) -> set[str]:
    """The keys that a variant of params.yaml may be given. Raises UserError for an unknown one."""
    params = parameters.load([parameters.DEFAULTS])
    check_method(params, method)
    return {key for section in METHODS[plan.method(params, method)] for key in defaults(section)}


def declare(params: plan.Params, data: Dataset) -> None:
    """Give the parameters a data set, with what they say of that of which it is a part (`like`), else of one of its
    name, and what it says itself."""
    declared = params["datasets"]
    kept = {key: value for key, value in declared.get(data.like, {}).items() if key not in plan.DATA_KEYS}
    said = {"kind": "npz"} | kept if kept else declared.get(data.name, {"kind": "npz"})
    declared[data.name] = said | {"flip": data.flip}


def by_section(
    sections: Sequence[str], variant: dict[str, Any], cell: plan.Cell, keys: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """A variant's sections for a cell with `keys` in those that have them, the method's own first. Raises
    UserError for a key that none has."""
    found = {section: plan.changes(variant, section, cell.ipc, cell.dataset) for section in sections}
    known = {key: section for section in sections for key in defaults(section)}
    for key, value in keys.items():
        if key not in known:
            raise UserError(
                f"distill: unknown key '{key}'; {suggestion(key, list(known)) if known else 'the method has none'}"
            )
        found[known[key]][key] = value
    return found


def fingerprint(data: Dataset) -> str:
    """The digest of a data set's training images and labels."""
    found = hashlib.sha256(data.train_images.cpu().numpy().tobytes())
    found.update(data.train_labels.cpu().numpy().tobytes())
    return found.hexdigest()


def made_of(config: Config, data: Dataset, inputs: str) -> str:
    """The digest of what a set is made of: configuration, images (`inputs`: their fingerprint), whether they may be
    mirrored, classes, and all code that takes part."""
    code = [code_digest(module) for module in modules(config)]
    of = [config, inputs, list(data.classes), code, *([] if data.flip else ["flip: false"])]
    return hashlib.sha256(plan.canonical(of).encode()).hexdigest()[:16]


def kept_networks(name: str, inputs: str) -> str:
    """The folder in which the cached networks of a data set lie, where none is given. inputs: its fingerprint."""
    return f".{name}-{inputs[:8]}-cache"


@set_aside()
def distill(
    data: Dataset,
    method: str = "udd",
    ipc: int = 1,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    cache: str | Path | None = None,
    minutes: float = float("inf"),
    device: str = "auto",
    threads: int = 0,
    curve: str | Path | None = None,
    out: str | Path | None = None,
    smaller_classes: bool = False,
    **keys: Any,
) -> SyntheticSet:
    """A synthetic set (or coreset) of `ipc` images a class, made by a variant of params.yaml: udd,
    idc, random, herding, ...

    checkpoint: the file from which a run that was cut goes on, kept every three minutes; by default .NAME-METHOD-ipcN-
    seedS-DIGEST.checkpoint here, by a digest of all that the set is made of. cache: where the caches of
    `networks="cached"` lie, by default .NAME-DIGEST-cache here; what is missing is made first. minutes: after so long
    the run ends at its checkpoint with udd.errors.Stopped. curve: where the loss curve goes (CSV), if anywhere. out:
    where the set is saved, before its checkpoint is deleted. smaller_classes: a class of fewer than `ipc` training
    images keeps as many as it has (without it such a class is refused): all are distilled alike, the images of such a
    class starting from its own again, and of the finished set the first so many stay; provenance["smaller_classes"]
    says which. keys: any key of params.yaml's sections that the method reads (`outer=50, policy="vote"`, ...). On a
    terminal a bar shows how far it is. Raises UserError, before any step, for what cannot be made so, or written; if it
    cannot be written at the end, the checkpoint stays.
    """
    check_places(checkpoint, cache, curve, out)
    minutes = minutes if minutes == float("inf") else amount("minutes", minutes)
    place = setup(device, threads)
    _, config = configuration(data, method, ipc, seed, keys)
    data, fewer = data.to(place), too_small(data, config, smaller_classes)
    check_fit(config)
    inputs = fingerprint(data)
    asked = made_of(config, data, inputs)
    if not distils(config["method"]):
        origin = provenance(modules(config)[0], place) | {"inputs": inputs}
        coreset = trimmed(coresets.as_set(chosen(config, data, place), data, config, origin), fewer)
        return written(coreset, data, asked, out)
    # By what is asked for: a sweep over keys neither meets nor replaces another call's
    path = Path(checkpoint or f".{data.name}-{method}-ipc{ipc}-seed{seed}-{asked[:8]}.checkpoint")
    check_writable(path.parent)
    with passing_lock(path):
        check(path, mark(asked))  # before networks are made that this run would not meet
        until = time.monotonic() + 60 * minutes
        folder = Path(cache or kept_networks(data.name, inputs), cache_name(config))
        run = Distillation(config, data, path, needed(folder, config, data, inputs, until), inputs, asked)
        complete(run, until=until)
        with kept_if_unwritten(run):
            finished = trimmed(run.finished(), fewer)
            if curve:
                write_curve(Path(curve), run.columns, run.curve)
            made = written(finished, data, asked, out)
        path.unlink(missing_ok=True)
        return made


@contextmanager
def kept_if_unwritten(run: Distillation) -> Iterator[None]:
    """Keep the checkpoint of a run that is done where what it made is no set, or cannot be written, and name it."""
    try:
        yield
    except UserError as error:
        with suppress(UserError):  # on the same full disk, say: the last one is there still
            run.keep()
        where = f"is kept in {run.path}, and the same call goes on from there" if run.path.exists() else "is lost"
        raise UserError(f"{error}; the run {where}") from error


def written(made: SyntheticSet, data: Dataset, asked: str, out: str | Path | None) -> SyntheticSet:
    """A set that says what it is made of (`made_of`), of which data set its images are a part (`like`), and that no
    augmentation mirrored them (`flip`), on disk where that is asked for."""
    origin = made.metadata["provenance"] | {"made_of": asked}
    part = ({"like": data.like} if data.like else {}) | ({} if data.flip else {"flip": False})
    made = made._replace(metadata=made.metadata | part | {"provenance": origin})
    if out:
        made.save(out)
    return made


def too_small(data: Dataset, config: Config, smaller_classes: bool) -> dict[int, int]:
    """The classes of fewer training images than a set keeps of each, and how many they have. Raises UserError if there
    are, unless they may keep these."""
    fewer = smaller(data, plan.images_a_class(config))
    if fewer and not smaller_classes:
        advice = (
            "lower ipc, or keep as many images of each class as it has: smaller_classes=True (udd distill "
            "--smaller-classes)"
        )
        asked = f"ipc {config['ipc']}" + (f", {config['times']} times" if "times" in config else "")
        raise UserError(
            f"{asked}: the smallest class of {data.name} has {min(fewer.values())} training images; {advice}"
        )
    return fewer
