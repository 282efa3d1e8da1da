"""What a table says about itself: what its numbers are, how many, on how much of the schedule, what to
doubt in the quoted ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from string import ascii_lowercase
from typing import Any

from udd.config.drawings import COST
from udd.config.plan import FULL
from udd.reports import cost
from udd.reports.cells import Measured
from udd.reports.layouts import LAYOUTS, Table, heading
from udd.reports.measured import Evaluation
from udd.reports.names import ABOUT, ARCHITECTURES, dataset, variant_name
from udd.reports.quoted import notes


def caption(config: Mapping[str, Any], table: Table) -> str:
    """The caption, in plain text, without the table's number."""
    layout = LAYOUTS[config["table"]]
    sentences = [
        f"{layout.title}.",
        what(config),
        size(table),
        trained(table),
        schedule(config, table),
        *marks(config, table),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def what(config: Mapping[str, Any]) -> str:
    """Data sets, measure, protocol and network."""
    request = config["request"]
    names = ", ".join(dataset(config, name) for name in request["datasets"])
    networks = request.get("architectures", ["convnet3"])
    network = f", {ARCHITECTURES[networks[0]]}" if len(networks) == 1 else ""
    full = " (full data: epochs300)" if config["full"] else ""
    protocols = request.get("protocols", ["idc"])
    how = f"{'protocol' if len(protocols) == 1 else 'protocols'} {', '.join(protocols)}{full}{network}"
    return f"{names}: test accuracy in % after the last epoch, {how}; mean ± sample standard deviation."


def size(table: Table) -> str:
    """How many evaluations a cell has."""
    found = {(len(runs), tuple(sorted(Counter(run.seed for run in runs).values()))) for _, runs in table.shown if runs}
    missing = sum(not runs for _, runs in table.shown)
    if not found:
        return "Nothing has been run yet (--)."
    sizes = sorted({(len(on), n, on[0], on[-1]) for n, on in found}, reverse=True)
    parts = ", ".join(
        f"n = {n} ({plural(sets, 'set')}, "
        f"{plural(most, 'network') if least == most else f'{least}-{most} networks'} on each)"
        for sets, n, least, most in sizes
    )
    return f"A cell has {parts}." + (f" {plural(missing, 'cell')} not run (--)." if missing else "")


def plural(count: int, noun: str) -> str:
    """`1 set`, `2 sets`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def either(values: Iterable[object]) -> str:
    """`1`, `1 or 2`, `1, 2 or 3`."""
    *first, last = map(str, values)
    return f"{', '.join(first)} or {last}" if first else last


def trained(table: Table) -> str:
    """For how long, and in what precision unless all in float32, the evaluated networks were trained; the full
    data set has its own protocol."""
    runs = [run for key, runs in table.shown for run in runs if key.ipc != FULL]
    epochs, precisions = sorted({run.epochs for run in runs}), sorted({run.precision for run in runs})
    rounded = "" if precisions == ["float32"] else f" in {' and '.join(precisions)}"
    noun = "epoch" if epochs == [1] else "epochs"
    return f"Networks trained for {either(epochs)} {noun}{rounded}." if runs else ""


def schedule(config: Mapping[str, Any], table: Table) -> str:
    """The share of the schedule, where it was cut."""
    shares: dict[str, set[float]] = {}
    for key, runs in table.shown:
        shares.setdefault(key.dataset, set()).update(run.schedule for run in runs if run.schedule is not None)
    cut = {name: values for name, values in shares.items() if values and min(values) < 100}
    texts = {
        name: "-".join(f"{value:.3g}" for value in sorted({min(values), max(values)})) for name, values in cut.items()
    }
    if not texts:
        return ""
    if len(set(texts.values())) == 1 and len(texts) == len([name for name in shares if shares[name]]):
        return f"Distilled for {next(iter(texts.values()))} % of the schedule{met(table)}."
    parts = ", ".join(f"{dataset(config, name)} {text} %" for name, text in texts.items())
    return f"Distilled for a part of the schedule: {parts}{met(table)}."


def met(table: Table) -> str:
    """How long the networks had trained that the sets met: a share of the steps on the images says nothing of them."""
    most = sorted({run.network_steps for _, runs in table.shown for run in runs if run.network_steps is not None})
    untrained = " (0: untrained)" if 0 in most else ""
    return f", on networks of at most {either(f'{steps:,}' for steps in most)} SGD steps{untrained}" if most else ""


def marks(config: Mapping[str, Any], table: Table) -> list[str]:
    """What bold, dagger, idc_best and the interval mean."""
    bold = any(isinstance(cell, Measured) and cell.best for row in table.rows for cell in row)
    best = "Bold: the highest measured mean of a group, full data and larger sets apart, with its ties."
    found = [best] if bold else []
    if table.quoted:
        found.append("† and italics: quoted from the paper, not measured here.")
    checkups = max((min(run.checkups, run.epochs) for _, runs in table.shown for run in runs), default=1)
    if checkups > 1 and config["table"] != COST:
        found.append(
            f"idc_best: the best of {checkups} check-ups on the test images, only to compare with figures published "
            "that way."
        )
    if LAYOUTS[config["table"]].heading:
        found.append("Decoded: training images an epoch from each stored one. Steps: SGD steps of a network on them.")
        found.append("Differences are paired, over sets (networks averaged), or over networks where there is one set.")
    return found


def footnotes(config: Mapping[str, Any], table: Table) -> list[str]:
    """Sentences below the table: what was stored and decoded, where it ran, what to doubt in the quoted figures."""
    found = [stored(config, table), *multiples(config), *left_out(config)]
    found += [] if LAYOUTS[config["table"]].heading else [decoded(config, table), steps(config, table)]
    found += [
        f"{variant_name(config, name)}: {ABOUT[name]}."
        for name in dict.fromkeys(key.variant for key, runs in table.shown if runs)
        if name in ABOUT
    ]
    found += cost.said(table.costs) if table.costs else []
    devices = sorted({run.device for _, runs in table.shown for run in runs})
    found += [f"Evaluated on: {', '.join(devices)}."] if devices else []
    if not table.quoted and config["table"] != COST:
        found.append("The paper has no figures of these data sets and IPCs; its own are not shown beside others.")
    texts = notes()
    doubts = [f"({letter}) {texts[name]}" for name, letter in letters(table).items()]
    found += ["To doubt in the paper's figures†: " + " ".join(doubts)] if doubts else []
    return [line for line in found if line]


def left_out(config: Mapping[str, Any]) -> list[str]:
    """The cells that are not to be run."""
    found = [
        f"{dataset(config, name)} IPC {ipc}: {heading(config, variant)}"
        for name, ipc, variant in config.get("without", [])
    ]
    return [f"Left out (--): {'; '.join(found)}."] if found else []


def letters(table: Table) -> dict[str, str]:
    """The letter of each note to the quoted figures of a table, in the order in which they come."""
    return dict(
        zip(dict.fromkeys(name for _, figure in table.quoted for name in figure.notes), ascii_lowercase, strict=False)
    )


def multiples(config: Mapping[str, Any]) -> list[str]:
    """What the columns of more than IPC real images a class are."""
    found = [
        f"{heading(config, name)}: {times} x IPC real images a class"
        for name, (_, times) in sorted(config.get("times", {}).items(), key=lambda each: each[1][1])
    ]
    said = "as many as networks see of a set that decodes to as many for each stored one, and so many times its bytes"
    return [f"{', '.join(found)}: {said}."] if found else []


def stored(config: Mapping[str, Any], table: Table) -> str:
    """How large a set is, with labels, for each data set and IPC; without those that store more than IPC."""
    found: dict[str, list[int]] = {}
    for key, runs in table.shown:
        if key.ipc != FULL and key.variant not in config.get("times", {}):
            found.setdefault(f"{dataset(config, key.dataset)} IPC {key.ipc}", []).extend(
                run.stored_bytes for run in runs
            )
    ends = {
        name: dict.fromkeys(kilobytes(size) for size in (min(sizes), max(sizes)))
        for name, sizes in found.items()
        if sizes
    }
    ranges = ", ".join(f"{name} {'-'.join(each)}" for name, each in ends.items())
    return f"Stored, in kB a set: {ranges}." if ranges else ""


def kilobytes(size: int) -> str:
    """Bytes in kB, with four digits or, where there are more before the point, all of these."""
    return f"{size / 1000:.4g}" if size < 9_999_500 else f"{size / 1000:,.0f}"


def decoded(config: Mapping[str, Any], table: Table) -> str:
    """How many training images each method decodes from a stored one."""
    found: dict[str, set[str]] = {}
    for key, runs in table.shown:
        found.setdefault(key.variant, set()).update(ratio(run) for run in runs)
    texts = [
        f"{heading(config, name)}: {either(sorted(values, key=float))}"
        for name, values in found.items()
        if values and name != "full"
    ]
    return f"Training images decoded from each stored one: {'; '.join(texts)}." if texts else ""


def steps(config: Mapping[str, Any], table: Table) -> str:
    """How many SGD steps a network took on each method's sets: a set that decodes to more images
    gets more in as many epochs."""
    found: dict[str, set[int]] = {}
    for key, runs in table.shown:
        found.setdefault(key.variant, set()).update(run.steps for run in runs)
    texts = [
        f"{heading(config, name)}: {either(sorted(values))}"
        for name, values in found.items()
        if values and name != "full"
    ]
    return f"SGD steps of a network: {'; '.join(texts)}." if texts else ""


def ratio(run: Evaluation) -> str:
    """Decoded over stored images."""
    return f"{run.decoded_images / run.stored_images:.3g}"
