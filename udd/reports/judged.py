"""What a file says of a set's accuracy: a record of the workflow (results/accuracy), or what
`udd evaluate FILE --out` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from udd.config.compare import difference
from udd.errors import UserError
from udd.files import read_json
from udd.provenance import digest_of
from udd.reports.names import ARCHITECTURES
from udd.reports.statistics import summary
from udd.synthetic.sets import SyntheticSet


class Judged(NamedTuple):
    """Accuracies in %, one a network; what was trained, in words; the mean accuracy of each class, if known; what was
    measured beside it, by name."""

    values: list[float]
    said: str
    by_class: list[float] = []
    beside: list[tuple[str, list[float]]] = []


def mean_by_class(networks: list[list[float]]) -> list[float]:
    """Each class's accuracy, averaged over networks. [networks][C] -> [C]."""
    return [summary(of_class)[0] for of_class in zip(*networks, strict=True)]


def architecture(name: str) -> str:
    """A network as people write it."""
    return ARCHITECTURES.get(name, name)


def digest(made: SyntheticSet) -> str:
    """The digest of a set's images, labels and windows, whatever its file and its data set are called."""
    return digest_of("", made.images, made.labels, made.windows)


def of_record(path: Path, found: dict[str, Any], made: SyntheticSet) -> Judged:
    """What a record of the workflow says. Raises UserError if it is another set's."""
    if differing := difference(found["config"]["set"], made.metadata["config"]):
        raise UserError(
            f"{path}: a record of another set: {differing.replace('planned', 'but in the set')}; give the record of "
            "this one"
        )
    values = [network["accuracy"] for network in found["networks"].values()]
    trained, protocol = architecture(found["config"]["architecture"]), found["config"]["protocol"]
    said = f"{trained}, protocol {protocol}, {found['epochs']} epochs, {found['steps']} SGD steps"
    # Since version 0.2
    classes = [network["by_class"] for network in found["networks"].values() if "by_class" in network]
    return Judged(values, said, mean_by_class(classes))


def check_judge(path: Path, found: dict[str, Any], made: SyntheticSet) -> None:
    """Raise UserError unless what `udd evaluate FILE --out` wrote is of this set; older ones say of which data set
    alone."""
    if "of" in found:
        if found["of"]["set"] != digest(made):
            raise UserError(f"{path}: accuracies of another set ({found['rows'][0]['set']}); give those of this one")
    elif found["dataset"] != made.metadata["dataset"]:
        of = f"on {found['dataset']}, but the set is of {made.metadata['dataset']}"
        raise UserError(f"{path}: accuracies {of}; give those of this set")


def of_judge(path: Path, found: dict[str, Any], made: SyntheticSet) -> Judged:
    """What `udd evaluate FILE --out` wrote. Raises UserError if it is of another set."""
    check_judge(path, found, made)
    own, *others = found["rows"]
    words = [
        architecture(found["architecture"]),
        f"width {found['width']}",
        f"{found['epochs']} epochs",
        f"{own['steps']} SGD steps",
        *(["the rate learned with it"] if found.get("rate") == "own" else []),
        *([f"on {found['dataset']}"] if found["dataset"] != made.metadata["dataset"] else []),
    ]
    said = ", ".join(words)
    return Judged(
        own["values"], said, mean_by_class(own.get("by_class", [])), [(each["set"], each["values"]) for each in others]
    )


def judged(path: Path, made: SyntheticSet) -> Judged:
    """The accuracy of a set, from a file. Raises UserError if it says none, or another set's."""
    found = read_json(path, "give a record of results/accuracy, or what udd evaluate FILE --out wrote")
    for key, read in (("networks", of_record), ("rows", of_judge)):
        if isinstance(found, dict) and found.get(key):
            try:
                return read(path, found, made)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise UserError(
                    f"{path}: not a whole record ({type(error).__name__}: {error}); write it again with udd evaluate "
                    "--out"
                ) from None
    raise UserError(
        f"{path}: found no accuracies, expected a record of results/accuracy or what udd evaluate FILE --out wrote"
    )
