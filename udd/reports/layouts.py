"""The tables of the paper as data: the same rows give LaTeX, Markdown and CSV.

Two layouts: a grid (udd.reports.grid) and an ablation (udd.reports.ablation). Here is what they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from udd.reports.cells import Cell, Measured, mark_best
from udd.reports.measured import Cost, Evaluation, Key
from udd.reports.names import ARCHITECTURES, CFC, JITTER, POLICY, REGIONS, dataset, variant_name
from udd.reports.quoted import Quoted, QuotedKey
from udd.reports.statistics import Difference, summary

FULL = "all"


class Layout(NamedTuple):
    """A table's number in the paper and its title; for a grid its columns; for an ablation the names of its
    variants and their heading."""

    number: int
    title: str
    methods: Sequence[str] = ()
    labels: Mapping[str, str] = {}
    heading: str = ""
    # With what each variant is compared, if with anything; where it is empty, all with `udd`
    partners: Mapping[str, str] = {}


COMPARED = {"idc": "", "idc-cfc": "idc", "udd": "udd-nocfc", "udd-nocfc": ""}  # Table 4 is about the effect of CFC
for name in ("gradient", "activation", "vote"):
    COMPARED |= {f"udd-{name}": f"udd-{name}-nocfc", f"udd-{name}-nocfc": ""}
TABLE_1 = [
    "random",
    "random-x4",
    "random-x13",
    "herding",
    "forgetting",
    "dd",
    "dc",
    "dsa",
    "dm",
    "cafe",
    "mtt",
    "idc",
    "udd",
    "full",
]
TABLE_8 = ["random", "random-x9", "random-x13", "dsa", "dm", "idc", "udd", "full"]
LAYOUTS = {
    "main": Layout(1, "Accuracy of networks trained on sets of a few images per class", TABLE_1),
    "policy": Layout(2, "Search policies, and two controls that the paper lacks", labels=POLICY, heading="Policy"),
    "jitter": Layout(3, "Jitter functions", labels=JITTER, heading="Jitter"),
    "cfc": Layout(
        4, "The category-wise feature contrastive (CFC) loss", labels=CFC, heading="Method", partners=COMPARED
    ),
    "regions": Layout(5, "Candidate windows (their number N: their sides)", labels=REGIONS, heading="Windows"),
    "architectures": Layout(6, "Other networks trained on sets distilled with ConvNet-3", ["kip", "mtt", "idc", "udd"]),
    "kip": Layout(
        7, "Compared with KIP, whose sets networks of two widths are trained on", ["kip-1024", "kip-128", "udd"]
    ),
    "imagenet": Layout(8, "Networks of the type ResNetAP-10 (the paper: ten ImageNet classes)", TABLE_8),
    "cost": Layout(9, "Accuracy, and what the sets took"),  # ours: the paper has none (udd.reports.cost)
}


class Table(NamedTuple):
    """Headings, rows of cells, the indices of rows that begin a group, and what was shown: (key, runs) and quoted
    figures, differences, costs."""

    headings: list[str]
    rows: list[list[Cell]]
    starts: list[int]
    shown: list[tuple[Key, Sequence[Evaluation]]]
    quoted: list[tuple[QuotedKey, Quoted]]
    differences: dict[Key, tuple[str, Difference]]
    costs: dict[Key, Cost]


class Setting(NamedTuple):
    """Where in a table: data set, IPC (as text), network, protocol of the evaluation."""

    dataset: str
    ipc: str
    architecture: str
    protocol: str


def settings(request: Mapping[str, Any]) -> list[Setting]:
    """The data sets, IPCs, networks and protocols of a request, in order."""
    architectures, protocols = request.get("architectures", ["convnet3"]), request.get("protocols", ["idc"])
    found = product(request["datasets"], map(str, request["ipc"]), architectures, protocols)
    return [Setting(*each) for each in found]


def varying(request: Mapping[str, Any]) -> list[str]:
    """The columns that a request needs beside data set and IPC: those of which it asks for several."""
    names = {"architectures": "Network", "protocols": "Protocol"}
    return [heading for name, heading in names.items() if len(request.get(name, [])) > 1]


def key_of(setting: Setting, variant: str, config: Mapping[str, Any]) -> Key:
    """The group of a variant at a setting; the full data set has one for all IPCs."""
    full = variant in config["full"]
    protocol = "epochs300" if full else setting.protocol
    return Key(setting.dataset, FULL if full else setting.ipc, variant, protocol, setting.architecture)


def quoted_key(setting: Setting, method: str, full: Sequence[str]) -> QuotedKey:
    """The paper's figure of a method at a setting."""
    return (setting.dataset, FULL if method == "full" or method in full else setting.ipc, method, setting.architecture)


def measured(runs: Sequence[Evaluation], best: bool = False) -> Measured | None:
    """Mean and standard deviation of a group's accuracies, or of the best of its check-ups; None if nothing was
    run, or there was one check-up."""
    if not runs or (best and max(min(run.checkups, run.epochs) for run in runs) == 1):
        return None
    return Measured(*summary([run.best if best else run.accuracy for run in runs]))


def counts(groups: Iterable[Sequence[Evaluation]]) -> str | None:
    """n of some groups: a number, or from-to."""
    found = sorted({len(runs) for runs in groups if runs})
    return None if not found else str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"


def again(setting: Setting, request: Mapping[str, Any]) -> bool:
    """Whether a setting is of another protocol than the first: the paper has one, so its figures stand once."""
    return setting.protocol != request.get("protocols", ["idc"])[0]


def run_at(setting: Setting, variant: str, config: Mapping[str, Any]) -> bool:
    """Whether a variant is to be run at a setting: a data set may leave it out at an IPC."""
    return [setting.dataset, setting.ipc, variant] not in config.get("without", [])


def rival(variant: str, config: Mapping[str, Any]) -> bool:
    """Whether a variant's sets are compared with others of their row: full data is no rival, nor are coresets of more
    images."""
    return variant not in config["full"] and variant not in config.get("times", {})


def marked(cells: Mapping[str, Measured | None], config: Mapping[str, Any]) -> dict[str, Cell]:
    """A group's cells by method, the best of the rivals marked."""
    rivals = [method for method in cells if rival(method, config)]
    return {**cells, **dict(zip(rivals, mark_best([cells[method] for method in rivals]), strict=True))}


def heading(config: Mapping[str, Any], variant: str, names: Mapping[str, str] = {}) -> str:
    """A variant by its label, by the names that a table has for some, or as people write it."""
    own = variant in names and variant not in config.get("labels", {})
    return names[variant] if own else variant_name(config, variant)


def head_of(config: Mapping[str, Any], setting: Setting, several: Sequence[str], *between: str | None) -> list[Cell]:
    """The first cells of a row: data set, IPC, others, and the network and the protocol if there are several."""
    names = {"Network": ARCHITECTURES[setting.architecture], "Protocol": setting.protocol}
    return [dataset(config, setting.dataset), setting.ipc, *between, *(names[heading] for heading in several)]
