"""`udd distill SOURCE --ipc 10`: one's own images, or a data set by name, without any params.yaml: a set, its
gallery, its accuracy, its page."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from udd.beside import ANOTHER_NAME, origin, refuse_other, refuse_places, refuse_request
from udd.command import Parser, check_out, names_cell, pixels_asked
from udd.config.caches import meets_cache
from udd.data import Dataset
from udd.device import setup
from udd.errors import UserError
from udd.files import check_writable, lock, read_json, write_atomic, write_json
from udd.interim import Interim, interim
from udd.reports import page
from udd.reports.judged import Judged, architecture, mean_by_class
from udd.reports.pictures import read_curve
from udd.reports.show import png
from udd.runs.progress import duration
from udd.source_request import SourceRequest, asked, parser
from udd.synthetic.sets import SyntheticSet, load


def run(argv: list[str]) -> None:
    """Distil what the command line names: a source, or a cell of params.yaml."""
    if names_cell(argv, ("--config", "--params", "--dataset", "--variant")):
        from udd.runs.distilling import run as cell

        return cell(argv)
    line = parser()
    args = line.parse_args(argv)
    refuse_options(line, args.method, args.set)
    if args.out:
        check_out("--out", args.out, ending=".safetensors")
    setup(args.device, args.threads)  # what can be refused is, before images are read
    check_writable((args.out or Path("here")).parent)
    import udd
    from udd.interface import configuration, too_small

    data, of = udd.dataset(args.source, root=args.root, **pixels_asked(vars(args))), asked(vars(args))
    out = args.out or Path(f"{data.name}-{of.method}-ipc{of.ipc}{f'-seed{of.seed}' if of.seed else ''}.safetensors")
    refuse_places(out)
    interim(out)  # in whose place something else may stand
    print(
        f"{data.name}: {len(data.classes)} classes, {len(data.train_images)} training images of "
        f"{list(data.train_images.shape[1:])}",
        file=sys.stderr,
    )
    too_small(data, configuration(data, of.method, of.ipc, of.seed, {})[1], of.smaller_classes)
    with lock(out.with_name(f".{out.name}")):
        result = work(of, data, out)
    print(json.dumps(result) if args.json else said(result))


def work(of: SourceRequest, data: Dataset, out: Path) -> dict[str, Any]:
    """Make a set, draw it, measure it, write its page: what is said of it."""
    from udd.interface import fingerprint, kept_networks

    begun, inputs = time.monotonic(), fingerprint(data)
    if not of.out:
        refuse_other(out, inputs)
    networks, curve = of.cache or out.with_name(kept_networks(data.name, inputs)), out.with_suffix(".csv")
    made, width = found_or_made(of, data, out, inputs, networks)
    gallery, html = out.with_suffix(".png"), out.with_suffix(".html")
    write_atomic(gallery, png(made, 10))
    result: dict[str, Any] = {
        "set": str(out),
        "gallery": str(gallery),
        "page": str(html),
        "seconds": round(time.monotonic() - begun, 1),
    }
    if fewer := made.metadata["provenance"].get("smaller_classes"):
        result["smaller_classes"] = fewer
    kept = interim(out)
    measured = measure(of, data, made, width, kept) if of.networks else None
    if measured:
        result |= {"accuracy": measured.mean, "std": measured.std, "n": len(measured.values), "said": str(measured)}
    shown = read_curve(curve) if "distill" in made.metadata["config"] and curve.exists() else None
    page.write(html, made, out.name, judged(measured, of.epochs) if measured else None, shown)
    kept.done()
    if networks.exists() and meets_cache(made.metadata["config"]):
        result |= {
            "cache": str(networks),
            "cache_bytes": sum(each.stat().st_size for each in networks.rglob("*") if each.is_file()),
        }
    return result


def found_or_made(
    of: SourceRequest, data: Dataset, out: Path, inputs: str, networks: Path
) -> tuple[SyntheticSet, dict[str, int]]:
    """The set, made unless it is there, and the width of its networks, if it meets any. inputs: the data's
    fingerprint."""
    import udd
    from udd.interface import configuration, made_of

    at = {"device": of.device, "threads": of.threads}
    wanted = {
        "inputs": inputs,
        "method": of.method,
        "ipc": of.ipc,
        "minutes": of.minutes,
        "set": of.set,
        "version": udd.__version__,
    }
    wanted |= of.pixels | ({"like": data.like} if data.like else {}) | ({} if data.flip else {"flip": False})
    refuse_request(out, wanted, replaced=bool(of.out))
    chosen = planned(wanted, data, out.with_suffix(".schedule.json"), **at)
    width = {"width": chosen["width"]} if "width" in chosen else {}
    there = origin(out).get("made_of")
    if there == made_of(configuration(data, of.method, of.ipc, of.seed, chosen)[1], data, inputs):
        print(f"{out}: made before by the same request; delete it to make it anew", file=sys.stderr)
        return load(out), width
    if there and not of.out:
        raise UserError(
            f"{out}: made by another request, or by other code, and this one would replace it; {ANOTHER_NAME}"
        )
    kept = {
        "checkpoint": out.with_suffix(".checkpoint"),
        "cache": networks,
        "curve": out.with_suffix(".csv"),
        "out": out,
    }
    return udd.distill(
        data, of.method, of.ipc, of.seed, smaller_classes=of.smaller_classes, **kept, **at, **chosen
    ), width


def measure(of: SourceRequest, data: Dataset, made: SyntheticSet, width: dict[str, int], kept: Interim) -> Any:
    """A set's accuracy (udd.accuracy), by networks as wide as those it met. Each is kept as it ends."""
    import udd

    return udd.evaluate(
        made,
        data,
        of.networks,
        epochs=of.epochs,
        checkups=1,
        device=of.device,
        threads=of.threads,
        checkpoint=kept,
        **width,
    )


def refuse_options(made: Parser, method: str, given: Sequence[tuple[str, Any]]) -> None:
    """Bad usage where a key is given twice, or is an option of the command line and none of the method's. Raises
    UserError for an unknown method."""
    from udd.interface import known_keys

    keys, known = dict(given), known_keys(method)
    if len(keys) < len(given):
        twice = next(key for number, (key, _) in enumerate(given) if key in dict(given[:number]))
        made.error(f"--set {twice}: given twice; leave one out")
    options = {action.dest: action for action in made._actions if action.option_strings}
    for key in keys.keys() & options.keys() - known:
        option = options[key].option_strings[-1]
        made.error(
            f"--set {key}: {key} is an option of its own; write "
            f"{option}{'' if options[key].nargs == 0 else f' {keys[key]}'}"
        )


def planned(asked: dict[str, Any], data: Any, kept: Path, device: str, threads: int) -> dict[str, Any]:
    """The keys of the short schedule, or of one of so many minutes: those that the file beside the set keeps of the
    same request, so that a run that was cut goes on; else found anew, in part by a trial."""
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
        print(
            f"the same schedule by hand: --set {' '.join(shlex.quote(word) for word in by_hand(chosen))}",
            file=sys.stderr,
        )
    return chosen


def by_hand(keys: dict[str, Any]) -> list[str]:
    """Keys as `--set` takes them: KEY=VALUE, the value as YAML in a line."""
    import yaml

    written = {key: yaml.safe_dump(value, default_flow_style=True, width=10**6) for key, value in keys.items()}
    return [f"{key}={value.splitlines()[0]}" for key, value in written.items()]


def judged(measured: Any, epochs: int) -> Judged:
    """What `udd.evaluate` measured, as the page says it."""
    what = f"{architecture(measured.architecture)}, {epochs} epochs, {measured.steps} SGD steps"
    return Judged(measured.values, what, mean_by_class(measured.by_class))


def said(result: dict[str, Any]) -> str:
    """The result in words."""
    lines = [
        f"set: {result['set']}",
        f"gallery: {result['gallery']}",
        f"page: {result['page']}",
        f"made in {duration(result['seconds'])}",
    ]
    lines += [
        f"images of class {name}: {count}, as many as it has"
        for name, count in result.get("smaller_classes", {}).items()
    ]
    if "cache" in result:
        lines.append(
            f"networks: {result['cache']} ({result['cache_bytes'] / 1e9:.2f} GB), for further sets of these images; "
            "may be deleted"
        )
    return "\n".join([*lines, *([f"test accuracy: {result['said']}"] if "said" in result else [])])
