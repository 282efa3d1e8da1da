"""`udd distill SOURCE --ipc 10`: one's own images, or a data set by name, without any params.yaml: a set, its gallery, its accuracy, its page."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from udd.command import Parser, add_pixels, pixels_asked
from udd.files import read_json, write_atomic, write_json
from udd.reports import page
from udd.reports.judged import Judged, architecture, mean_by_class
from udd.reports.pictures import read_curve
from udd.reports.show import png
from udd.runs.progress import duration


def parser() -> Parser:
    """The command line."""
    made = Parser(
        prog="udd distill",
        description="Distil a folder of class folders (train/CLASS/*, test/CLASS/*) or of parquet files (train-*, test-*), an npz, or a data set by "
        "name. Without SOURCE: a cell of params.yaml (udd distill --params params.yaml --help says how). A run that was cut goes on by the same "
        "command.",
    )
    made.add_argument("source", help="a folder, an .npz file, or mnist, fashionmnist, svhn, cifar10, cifar100, digits")
    made.add_argument("--ipc", type=count, default=1, help="images a class")
    made.add_argument("--seed", type=whole, default=0, help="of the images, and of all that is drawn for them")
    made.add_argument("--smaller-classes", action="store_true", help="let a class of fewer images than --ipc keep as many as it has")
    made.add_argument("--method", default="udd", help="a variant of params.yaml: udd, idc, udd-plus, random, herding, ...")
    add_pixels(made)
    made.add_argument("--root", default="data", help="where named data sets lie, or are downloaded to")
    made.add_argument("--set", type=pair, nargs="*", default=[], metavar="KEY=VALUE", help="keys that the method reads, e.g. outer=100 policy=vote")
    made.add_argument(
        "--minutes", type=amount, help="choose steps, cache and rate for so many minutes on this device, by a short trial, and say them"
    )
    made.add_argument("--networks", type=int, default=3, help="networks that are trained on the set to measure it; 0: none")
    made.add_argument("--epochs", type=int, default=300, help="epochs of their training")
    made.add_argument("--cache", type=Path, help="where the networks are kept that sets of these images share; by default a folder beside the set")
    made.add_argument(
        "--out", type=Path, help="the set to write; by default NAME-METHOD-ipcN.safetensors here, of another seed NAME-METHOD-ipcN-seedS.safetensors"
    )
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--threads", type=int, default=0, help="CPU threads; 0 keeps torch's own choice")
    return made


def whole(word: str) -> int:
    """A whole number, 0 or more."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"found {word}, expected a whole number, 0 or more")
    return int(word)


def count(word: str) -> int:
    """A whole number of images, 1 or more."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"found {word}, expected a whole number, 1 or more")
    return int(word)


def amount(word: str) -> float:
    """A number above 0."""
    try:
        found = float(word)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"found {word}, expected a number above 0")
    return found


def pair(word: str) -> tuple[str, Any]:
    """KEY=VALUE; the value as in params.yaml."""
    import yaml

    key, sign, value = word.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"found {word}, expected KEY=VALUE")
    return key, yaml.safe_load(value)


def run(argv: list[str]) -> None:
    """Distil what the command line names; with an option first, a cell of params.yaml."""
    if not argv or argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        from udd.runs.distilling import run as cell

        return cell(argv)
    asked = parser()
    args = asked.parse_args(argv)
    refuse_options(asked, args.method, dict(args.set))
    import udd
    from udd.interface import configuration, fingerprint, kept_networks, too_small

    data = udd.dataset(args.source, root=args.root, **pixels_asked(vars(args)))
    out = args.out or Path(f"{data.name}-{args.method}-ipc{args.ipc}{f'-seed{args.seed}' if args.seed else ''}.safetensors")
    print(
        f"{data.name}: {len(data.classes)} classes, {len(data.train_images)} training images of {list(data.train_images.shape[1:])}", file=sys.stderr
    )
    begun, at, curve = time.monotonic(), {"device": args.device, "threads": args.threads}, out.with_suffix(".csv")
    too_small(data, configuration(data, args.method, args.ipc, args.seed, {})[1], args.smaller_classes)
    inputs = fingerprint(data)
    wanted = {"inputs": inputs, "method": args.method, "ipc": args.ipc, "minutes": args.minutes, "set": dict(args.set), "version": udd.__version__}
    chosen = planned(wanted | pixels_asked(vars(args)), data, out.with_suffix(".schedule.json"), **at)
    networks = args.cache or out.with_name(kept_networks(data.name, inputs))
    kept = {"checkpoint": out.with_suffix(".checkpoint"), "cache": networks, "curve": curve}
    made = udd.distill(data, args.method, args.ipc, args.seed, smaller_classes=args.smaller_classes, **kept, **at, **chosen)
    made.save(out)
    gallery, html = out.with_suffix(".png"), out.with_suffix(".html")
    write_atomic(gallery, png(made, 10))
    result: dict[str, Any] = {"set": str(out), "gallery": str(gallery), "page": str(html), "seconds": round(time.monotonic() - begun, 1)}
    if fewer := made.metadata["provenance"].get("smaller_classes"):
        result["smaller_classes"] = fewer
    found = None
    if args.networks:
        width = {"width": chosen["width"]} if "width" in chosen else {}
        measured = udd.evaluate(made, data, args.networks, epochs=args.epochs, checkups=1, **width, **at)
        result |= {"accuracy": measured.mean, "std": measured.std, "n": len(measured.values), "said": str(measured)}
        found = judged(measured, args.epochs)
    page.write(html, made, out.name, found, read_curve(curve) if "distill" in made.metadata["config"] else None)
    if networks.exists():
        result |= {"cache": str(networks), "cache_bytes": sum(each.stat().st_size for each in networks.rglob("*") if each.is_file())}
    print(json.dumps(result) if args.json else said(result))


def refuse_options(made: Parser, method: str, keys: dict[str, Any]) -> None:
    """Bad usage where a key is an option of the command line, and none of the method's."""
    from udd.interface import known_keys

    options = {action.dest: action for action in made._actions if action.option_strings}
    for key in keys.keys() & options.keys() - known_keys(method):
        option = options[key].option_strings[-1]
        made.error(f"--set {key}: {key} is an option of its own; write {option}{'' if options[key].nargs == 0 else f' {keys[key]}'}")


def planned(asked: dict[str, Any], data: Any, kept: Path, device: str, threads: int) -> dict[str, Any]:
    """The keys of the short schedule, or of one of so many minutes: those that the file beside the set keeps of the same request, so that a run that
    was cut goes on; else found anew, in part by a trial."""
    import udd

    found = read_json(kept) if kept.exists() else {}
    if isinstance(found, dict) and found.get("asked") == asked:
        print(f"{kept}: the schedule that was found before; delete it to choose anew", file=sys.stderr)
        return found["keys"]
    of = (data, asked["method"], asked["ipc"])
    if asked["minutes"]:
        chosen = udd.budget(*of, asked["minutes"], device, threads, **asked["set"])
    else:
        chosen = udd.short(*of, device, threads, **asked["set"])
    if chosen != asked["set"]:
        write_json(kept, {"asked": asked, "keys": chosen})
        print(f"the same schedule by hand: --set {' '.join(f'{key}={value}' for key, value in chosen.items())}", file=sys.stderr)
    return chosen


def judged(measured: Any, epochs: int) -> Judged:
    """What `udd.evaluate` measured, as the page says it."""
    what = f"{architecture(measured.architecture)}, {epochs} epochs, {measured.steps} SGD steps"
    return Judged(measured.values, what, mean_by_class(measured.by_class))


def said(result: dict[str, Any]) -> str:
    """The result in words."""
    lines = [f"set: {result['set']}", f"gallery: {result['gallery']}", f"page: {result['page']}", f"made in {duration(result['seconds'])}"]
    lines += [f"images of class {name}: {count}, as many as it has" for name, count in result.get("smaller_classes", {}).items()]
    if "cache" in result:
        lines.append(f"networks: {result['cache']} ({result['cache_bytes'] / 1e9:.2f} GB), for further sets of these images; may be deleted")
    return "\n".join([*lines, *([f"test accuracy: {result['said']}"] if "said" in result else [])])
