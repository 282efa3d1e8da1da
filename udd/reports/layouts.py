"""The tables of the paper as data: the same rows give LaTeX, Markdown and CSV.

Two layouts. A *grid* has a column a method and, for each data set, IPC and network, a row of what was measured
and a row of what the paper prints. An *ablation* has a row a variant, with the paired difference to the variant
that it is compared with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

from udd.reports.cells import Cell, Measured, mark_best
from udd.reports.measured import Cost, Evaluation, Groups, Key, accuracies
from udd.reports.names import ARCHITECTURES, CFC, JITTER, POLICY, REGIONS, dataset, variant_name
from udd.reports.quoted import Quoted, QuotedKey
from udd.reports.statistics import Difference, paired, summary

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
    if not runs or (best and max(run.checkups for run in runs) == 1):
        return None
    return Measured(*summary([run.best if best else run.accuracy for run in runs]))


def counts(groups: Iterable[Sequence[Evaluation]]) -> str | None:
    """n of some groups: a number, or from-to."""
    found = sorted({len(runs) for runs in groups if runs})
    return None if not found else str(found[0]) if len(found) == 1 else f"{found[0]}-{found[-1]}"


def columns(layout: Layout, config: Mapping[str, Any], quoted: Mapping[QuotedKey, Quoted]) -> list[str]:
    """The methods of a grid: those asked for and those that the paper has figures of at these
    settings; the full data set last."""
    asked, full = config["request"]["variants"], config["full"]
    shown = [
        m
        for m in layout.methods
        if m in asked or any(quoted_key(setting, m, full) in quoted for setting in settings(config["request"]))
    ]
    extra = [variant for variant in asked if variant not in shown]
    return sorted([*shown, *extra], key=lambda method: method == "full" or method in full)


def grid(layout: Layout, config: Mapping[str, Any], groups: Groups, quoted: Mapping[QuotedKey, Quoted]) -> Table:
    """A table with a column a method."""
    methods, request = columns(layout, config, quoted), config["request"]
    several = varying(request)
    table = Table(grid_headings([heading(config, name) for name in methods], several), [], [], [], [], {}, {})
    for setting in settings(request):
        table.starts.append(len(table.rows))
        asked = {
            method: key_of(setting, method, config)
            for method in methods
            if method in request["variants"] and run_at(setting, method, config)
        }
        runs = {method: groups.get(key, []) for method, key in asked.items()}
        quotes = [] if again(setting, request) else methods
        printed = {
            method: quoted[key] for method in quotes if (key := quoted_key(setting, method, config["full"])) in quoted
        }
        table.shown.extend((asked[method], runs[method]) for method in asked)
        table.quoted.extend((quoted_key(setting, method, config["full"]), figure) for method, figure in printed.items())
        stored = {name: found for name, found in runs.items() if name not in config.get("times", {})}
        ratio = ratio_percent(stored, printed, config["full"])
        table.rows.extend(grid_rows(head_of(config, setting, several, ratio), methods, runs, printed, config["full"]))
    return table


def again(setting: Setting, request: Mapping[str, Any]) -> bool:
    """Whether a setting is of another protocol than the first: the paper has one, so its figures stand once."""
    return setting.protocol != request.get("protocols", ["idc"])[0]


def run_at(setting: Setting, variant: str, config: Mapping[str, Any]) -> bool:
    """Whether a variant is to be run at a setting: a data set may leave it out at an IPC."""
    return [setting.dataset, setting.ipc, variant] not in config.get("without", [])


def marked(cells: Mapping[str, Measured | None], full: Sequence[str]) -> dict[str, Cell]:
    """A group's cells by method, the best of the sets marked: the full data set is no rival."""
    rivals = [method for method in cells if method not in full]
    return {**cells, **dict(zip(rivals, mark_best([cells[method] for method in rivals]), strict=True))}


def grid_headings(methods: Sequence[str], several: Sequence[str]) -> list[str]:
    """The headings of a grid."""
    return ["Data set", "IPC", "Ratio %", *several, "Source", *methods, "n"]


def heading(config: Mapping[str, Any], variant: str, names: Mapping[str, str] = {}) -> str:
    """A variant by its label, by the names that a table has for some, or as people write it."""
    own = variant in names and variant not in config.get("labels", {})
    return names[variant] if own else variant_name(config, variant)


def ratio_percent(
    runs: Mapping[str, Sequence[Evaluation]], printed: Mapping[str, Quoted], full: Sequence[str]
) -> str | None:
    """The stored images in percent of the full data set: as the paper prints it, or counted where both were
    evaluated."""
    quoted = [figure.ratio_percent for figure in printed.values() if figure.ratio_percent]
    stored = [found[0].stored_images for method, found in runs.items() if found and method not in full]
    whole = [found[0].stored_images for method, found in runs.items() if found and method in full]
    return quoted[0] if quoted else f"{100 * stored[0] / whole[0]:.2g}" if stored and whole else None


def grid_rows(
    head: list[Cell],
    methods: Sequence[str],
    runs: Mapping[str, Sequence[Evaluation]],
    printed: Mapping[str, Quoted],
    full: Sequence[str],
) -> list[list[Cell]]:
    """The rows at one setting: measured; the best of the check-ups, where there were several;
    quoted, if the paper has any."""
    ours = marked({method: measured(runs.get(method, [])) for method in methods}, full)
    n = counts(runs[method] for method in runs if method not in full)
    blank: list[Cell] = ["" for _ in head]
    rows = [[*head, "measured", *ours.values(), n]]
    best = [measured(runs.get(method, []), best=True) for method in methods]
    if any(best):
        rows.append([*blank, "idc_best", *best, n])
    if printed:
        rows.append([*blank, "paper†", *(printed.get(method) for method in methods), ""])
    return rows


def ablation(layout: Layout, config: Mapping[str, Any], groups: Groups, quoted: Mapping[QuotedKey, Quoted]) -> Table:
    """A table with a row a variant."""
    request = config["request"]
    variants, several = request["variants"], varying(request)
    first = [setting for setting in settings(request) if not again(setting, request)]
    figures = {
        (setting, v): quoted[key]
        for setting in first
        for v in variants
        if (key := quoted_key(setting, v, config["full"])) in quoted
    }
    times = any(figure.search_time_ms for figure in figures.values())
    table = Table(ablation_headings(config, layout, several, bool(figures), times), [], [], [], [], {}, {})
    for setting in settings(request):
        table.starts.append(len(table.rows))
        keys = {variant: key_of(setting, variant, config) for variant in variants}
        cells = marked({variant: measured(groups.get(key, [])) for variant, key in keys.items()}, config["full"])
        for variant, cell in cells.items():
            runs, figure = groups.get(keys[variant], []), figures.get((setting, variant))
            if run_at(setting, variant, config):
                table.shown.append((keys[variant], runs))
            if figure:
                table.quoted.append((quoted_key(setting, variant, config["full"]), figure))
            found = compared(layout, config, setting, variant, groups)
            if found:
                table.differences[keys[variant]] = found
            quoted_cells = ([figure] if figures else []) + ([search_time(figure)] if times else [])
            name = heading(config, variant, layout.labels)
            table.rows.append(
                [*head_of(config, setting, several), name, *ablation_cells(runs, cell, found), *quoted_cells]
            )
    return table


def head_of(config: Mapping[str, Any], setting: Setting, several: Sequence[str], *between: str | None) -> list[Cell]:
    """The first cells of a row: data set, IPC, others, and the network and the protocol if there are several."""
    names = {"Network": ARCHITECTURES[setting.architecture], "Protocol": setting.protocol}
    return [dataset(config, setting.dataset), setting.ipc, *between, *(names[heading] for heading in several)]


def ablation_cells(runs: Sequence[Evaluation], cell: Cell, found: tuple[str, Difference] | None) -> list[Cell]:
    """The measured cells of one variant: decoded, SGD steps, accuracy, idc_best, n, difference, pairs."""
    pairs = f"{found[1].n} {found[1].unit}" if found else None
    return [
        decoded(runs),
        steps(runs),
        cell,
        measured(runs, best=True),
        counts([runs]),
        found[1] if found else None,
        pairs,
    ]


def ablation_headings(
    config: Mapping[str, Any], layout: Layout, several: Sequence[str], figures: bool, times: bool
) -> list[str]:
    """The headings of an ablation."""
    head = ["Data set", "IPC", *several, layout.heading, "Decoded", "Steps", "Accuracy", "idc_best", "n"]
    difference = "Effect of CFC [95 %]" if layout.partners else f"Difference to {variant_name(config, 'udd')} [95 %]"
    return [*head, difference, "Pairs", *(["Paper†"] if figures else []), *(["Paper's ms†"] if times else [])]


def compared(
    layout: Layout, config: Mapping[str, Any], setting: Setting, variant: str, groups: Groups
) -> tuple[str, Difference] | None:
    """The variant that this one is compared with, and the paired difference; None if
    there is none or not both were run."""
    partner = layout.partners.get(variant, "" if layout.partners or variant == "udd" else "udd")
    if not partner:
        return None
    ours, theirs = (accuracies(groups.get(key_of(setting, name, config), [])) for name in (variant, partner))
    difference = paired(ours, theirs)
    return (partner, difference) if difference else None


def decoded(runs: Sequence[Evaluation]) -> str | None:
    """Training images decoded from each stored one."""
    found = sorted({run.decoded_images / run.stored_images for run in runs})
    return None if not found else f"×{found[0]:.3g}" if len(found) == 1 else f"×{found[0]:.3g}-{found[-1]:.3g}"


def steps(runs: Sequence[Evaluation]) -> str | None:
    """SGD steps of a network's training: a number, or from-to."""
    found = sorted({run.steps for run in runs})
    return None if not found else f"{found[0]}" if len(found) == 1 else f"{found[0]}-{found[-1]}"


def search_time(figure: Quoted | None) -> str | None:
    """The paper's time of the search, in milliseconds, marked as quoted."""
    return f"{figure.search_time_ms}†" if figure and figure.search_time_ms else None


def build(config: Mapping[str, Any], groups: Groups, quoted: Mapping[QuotedKey, Quoted]) -> Table:
    """The table that a configuration (udd.config.drawings.table_config) asks for."""
    layout = LAYOUTS[config["table"]]
    return (grid if layout.methods else ablation)(layout, config, groups, quoted)
