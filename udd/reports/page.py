"""The page of a set: one HTML file that needs nothing else, with its images, windows, accuracy, loss,
provenance and configuration."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from udd.files import write_atomic
from udd.reports.judged import Judged
from udd.reports.names import OWN, Labels, dataset, variant_name
from udd.reports.pictures import COLOURS, Curve, curve_svg, hard, img, losses, sizes_key, windows_svg
from udd.reports.statistics import interval, summary
from udd.synthetic.sets import SyntheticSet

MARK = "udd, dataset distillation"  # by which a page or a picture of ours is known
PIXELS = 2**22  # that a page shows at most, so that it stays below some 20 MB
# Of one inside another file: Chromium opens no data URI of more than 2 MiB, and these may take 1.4,
# without the windows' image
EMBEDDED = 2**18
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
h1, figcaption, td, th, p { overflow-wrap: anywhere; }
.gallery { display: flex; flex-wrap: wrap; gap: .8rem; }
figure { margin: 0; max-width: 100%; } figcaption { font-size: .85rem; }
.single figure { width: min-content; min-width: 4.5rem; } .single figcaption { line-height: 1.2; }
img, svg image { image-rendering: pixelated; } img, svg { max-width: 100%; height: auto; }
.curve { width: 100%; } .curve text { font-size: 13px; fill: #444; }
table { border-collapse: collapse; font-size: .9rem; } tr + tr { border-top: 1px solid #eee; } th { color: #555; }
td, th { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0; font-weight: normal; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; } meter { width: 12rem; }
.key span { margin-right: 1.2rem; } .big { font-size: 1.4rem; margin: .3rem 0; }
"""
LICENCES = {
    "mnist": "Y. LeCun and C. Cortes hold the copyright of MNIST; it is commonly given as CC BY-SA 3.0.",
    "fashionmnist": "Fashion-MNIST is under the MIT licence (Zalando).",
    "svhn": "SVHN is for non-commercial use only.",
    "cifar10": "CIFAR-10's authors state no licence; they ask to cite Krizhevsky (2009).",
    "cifar100": "CIFAR-100's authors state no licence; they ask to cite Krizhevsky (2009).",
    "imagenet10": "ImageNet's terms of access: non-commercial research and education.",
    "digits": "UCI's Optical Recognition of Handwritten Digits, CC BY 4.0.",
}
KEYS = {
    "git": "git revision of udd",
    "inputs": "digest of the data (SHA-256)",
    "code": "digest of the code",
    "module": "module",
}


def plain(text: Any) -> str:
    """Any text as HTML shows it: escaped, and what cannot be printed (a folder's name may hold anything) as a mark."""
    return html.escape("".join(letter if letter.isprintable() else "\ufffd" for letter in str(text)))


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of HTML as a table, the first cell of each its heading."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    top = f"<thead><tr>{heads}</tr></thead>" if head else ""
    lines = "".join(
        f'<tr><th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for first, *cells in rows
    )
    return f"<table>{top}<tbody>{lines}</tbody></table>"


def flat(value: Any, key: str = "") -> Iterable[tuple[str, str]]:
    """The values of nested mappings by their keys with dots between them, as HTML."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield plain(KEYS.get(key, key)), plain(value)


def key_of(named: Iterable[tuple[str, str]]) -> str:
    """Colours and what they are."""
    spans = "".join(f'<span><b style="color:{colour}">■</b> {plain(name)}</span> ' for colour, name in named)
    return f'<p class="key">{spans}</p>'


def gallery(made: SyntheticSet, most: int, pixels: int = PIXELS) -> str:
    """A strip of images a class with its name; fewer where the page would grow too large, which it says."""
    classes, labels, area = made.metadata["classes"], hard(made.labels), made.images.shape[-1] * made.images.shape[-2]
    shown = classes[: max(1, pixels // area)]
    each = max(1, min(most, pixels // (area * len(shown))))
    figures, several = [], False
    for label, name in enumerate(shown):
        found = (labels == label).nonzero()[:, 0]
        several |= len(found) > 1
        count = f" ({min(each, len(found))} of {len(found)})" if len(found) > each else ""
        picture = (
            img(list(made.images[found[:each]]), f"images of class {plain(name)}") if len(found) else "<p>no image</p>"
        )
        figures.append(f"<figure>{picture}<figcaption>{plain(name)}{count}</figcaption></figure>")
    rest = f"<p>The first {len(shown)} of {len(classes)} classes.</p>" if len(shown) < len(classes) else ""
    kind = "gallery" if several else "gallery single"
    return f'<div class="{kind}">' + "".join(figures) + f"</div>{rest}"


def windows(made: SyntheticSet) -> str:
    """The candidate windows on the first image."""
    whole = made.metadata.get("whole", True)
    if not len(made.windows):
        return "<p>None: networks are trained on the images as they are.</p>"
    join = (
        "each image, and every one of its windows enlarged to the whole side"
        if whole
        else "every one of the windows, enlarged to the whole side"
    )
    total = len(made.images) * (len(made.windows) + whole)
    said = (
        f"<p>{len(made.windows)}, the same on every image. With all of them, networks are trained on {join}: {total:,} "
        "images in all.</p>"
    )
    return windows_svg(made.images[0], made.windows) + key_of(sizes_key(made.windows)) + said


def percent(values: Sequence[float]) -> str:
    """Accuracies in words: mean, deviation, n, interval."""
    mean, std, n = summary(values)
    spread = interval(values)
    around = f" ± {std:.1f}" if std is not None else ""
    within = f", 95 % interval {spread[0]:.1f} to {spread[1]:.1f}" if spread else ""
    return f"{mean:.1f}{around} % (n = {n}{within})"


def accuracy(found: Judged, classes: Sequence[str]) -> str:
    """The accuracy, what stands beside it, and each class's."""
    parts = [
        f'<p class="big">{percent(found.values)}</p>',
        f"<p>Test accuracy after the last epoch of new networks trained on this set: {plain(found.said)}.",
    ]
    parts.append(
        " n counts networks; the interval is Student's, over them, and another run of the distillation may differ by "
        "more.</p>"
    )
    if found.beside:
        parts.append(
            table(((plain(name), percent(values)) for name, values in found.beside), ["beside it", "test accuracy"])
        )
    if len(found.by_class) == len(classes):
        bar = '<meter min="0" max="100" value="{0:.1f}">{0:.1f} %</meter>'
        rows = (
            (plain(name), f"{value:.1f} %", bar.format(value))
            for name, value in zip(classes, found.by_class, strict=True)
        )
        parts.append(f"<h3>By class, mean over networks</h3>{table(rows)}")
    return "".join(parts)


def loss(curve: Curve) -> str:
    """The loss curve with its key."""
    return curve_svg(curve) + key_of(
        (COLOURS[number % len(COLOURS)], name) for number, name in enumerate(losses(curve))
    )


def licence(metadata: dict[str, Any]) -> str:
    """What is known of the licence of the images behind a set."""
    asked = metadata["config"].get("dataset")
    # An imported set knows its data by name alone
    kind = asked.get("kind", asked.get("name")) if isinstance(asked, dict) else None
    return (
        f"<p>{LICENCES.get(str(kind), 'As your images’: a set that was made of images may show what is in them.')}</p>"
    )


def loading(name: str) -> str:
    """Five lines of Python that load the set."""
    lines = [
        "import udd",
        "from udd.evaluation.views import every",
        f"made = udd.load({json.dumps(name, ensure_ascii=False)})",
    ]
    lines += ["images, labels = every(made)  # to train on: [m, K, H, W] in [0, 1]"]
    lines += ['mean, std = made.metadata["mean"], made.metadata["std"]  # to normalise by']
    return "<pre><code>" + html.escape("\n".join(lines)) + "</code></pre>"


def summed(made: SyntheticSet) -> str:
    """What the set is, in a line."""
    count, channels, high, wide = made.images.shape
    counts = torch.bincount(hard(made.labels), minlength=len(made.metadata["classes"])).tolist()
    each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    soft = "; soft labels, images stand by their likeliest class" if made.labels.ndim > 1 else ""
    rate = f"; learned rate {made.metadata['rate']:.4g}" if made.metadata.get("rate") is not None else ""
    colour = "grey" if channels == 1 else "colour" if channels == 3 else f"{channels} channels"
    return (
        f"<p>{count} images, {each} a class, {len(counts)} classes, {wide} x {high} pixels, {colour}{soft}{rate}.</p>"
    )


def section(title: str, content: str) -> str:
    """A part of the page."""
    return f"<section><h2>{title}</h2>{content}</section>" if content else ""


def page(
    made: SyntheticSet,
    name: str,
    found: Judged | None = None,
    curve: Curve | None = None,
    most: int = 10,
    embedded: bool = False,
    labels: Labels = OWN,
) -> str:
    """The whole page of a set whose file is called `name`, its data set and method by their `labels`, with its accuracy
    and loss curve where they are known; small enough to be embedded."""
    about, config = made.metadata, made.metadata["config"]
    of, by = (
        labels.dataset or dataset({}, about["dataset"]),
        labels.method or variant_name({}, str(config.get("variant", "unknown"))),
    )
    title = f"{plain(of)} by {plain(by)}"
    numbers = {key: about[key] for key in ("mean", "std") if key in about}
    parts = [
        section("Accuracy", accuracy(found, about["classes"]) if found else ""),
        section("Images", gallery(made, most, EMBEDDED if embedded else PIXELS)),
        section("Candidate windows", windows(made)),
        section("Loss", loss(curve) if curve else ""),
        section("In Python", loading(name)),
        section("Where it comes from", table(flat(about.get("provenance", {}) | numbers))),
        section("Configuration", table(flat(config))),
        section("Licence of the data", licence(about)),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="generator" content="{MARK}">'
        f"<title>{title}</title><style>{STYLE}</style>"
    )
    body = f"<h1>{title}</h1>{summed(made)}{''.join(parts)}"
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>{body}</body>\n</html>\n'


def write(
    path: Path, made: SyntheticSet, name: str, found: Judged | None = None, curve: Curve | None = None, **how: Any
) -> None:
    """Write the page atomically, made as `how` says."""
    write_atomic(path, page(made, name, found, curve, **how))
