"""`udd distill SOURCE --ipc 10`: one's own images, or a data set by name, without any params.yaml: a set, its gallery, its accuracy."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from udd.errors import UserError
from udd.runs.progress import duration

# A schedule for a CPU, as in cpu.yaml: 1 % of the paper's steps, each 64 times as long (chosen on training images of CIFAR-10).
SHORT: dict[str, Any] = {"outer": 50, "inner": 40, "net_images": 256, "image_lr": 0.32, "init": "mix", "width": 64}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="udd distill",
        description="Distil a folder of class folders (train/CLASS/*, test/CLASS/*), an npz, or a data set by name. Without SOURCE: a cell "
        "of params.yaml (udd distill --params params.yaml --help says how). A run that was cut goes on by the same command.",
    )
    made.add_argument("source", help="a folder, an .npz file, or mnist, fashionmnist, svhn, cifar10, cifar100, digits")
    made.add_argument("--ipc", type=int, default=1, help="images a class")
    made.add_argument("--method", default="udd", help="a variant of params.yaml: udd, idc, udd-plus, random, herding, ...")
    made.add_argument("--size", type=int, help="side of the images, in pixels (folders of images of several sizes need it)")
    made.add_argument("--root", default="data", help="where named data sets lie, or are downloaded to")
    made.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="keys that the method reads, e.g. outer=100 policy=vote")
    made.add_argument("--networks", type=int, default=3, help="networks that are trained on the set to measure it; 0: none")
    made.add_argument("--epochs", type=int, default=300, help="epochs of their training")
    made.add_argument("--out", type=Path, help="the set to write; by default NAME-METHOD-ipcN.safetensors here")
    made.add_argument("--json", action="store_true", help="print the result as JSON")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    made.add_argument("--threads", type=int, default=0, help="CPU threads; 0 keeps torch's own choice")
    return made


def keys(words: list[str]) -> dict[str, Any]:
    """KEY=VALUE words as a mapping; values as in params.yaml. Raises UserError for a word without `=`."""
    import yaml

    pairs = [word.partition("=") for word in words]
    if wrong := next((key for key, sign, _ in pairs if not sign), None):
        raise UserError(f"--set {wrong}: expected KEY=VALUE")
    return {key: yaml.safe_load(value) for key, _, value in pairs}


def run(argv: list[str]) -> None:
    """Distil what the command line names; with an option first, a cell of params.yaml."""
    if not argv or argv[0].startswith("-") and argv[0] not in ("-h", "--help"):
        from udd.runs.job import run as cell

        return cell(argv)
    args = parser().parse_args(argv)
    import udd

    data = udd.dataset(args.source, root=args.root, **({"size": args.size} if args.size else {}))
    out = args.out or Path(f"{data.name}-{args.method}-ipc{args.ipc}.safetensors")
    chosen = given(args.method, keys(args.set))
    print(
        f"{data.name}: {len(data.classes)} classes, {len(data.train_images)} training images of {list(data.train_images.shape[1:])}", file=sys.stderr
    )
    begun, at = time.monotonic(), {"device": args.device, "threads": args.threads}
    made = udd.distill(data, args.method, args.ipc, checkpoint=out.with_suffix(".checkpoint"), **at, **chosen)
    made.save(out)
    gallery = out.with_suffix(".png")
    made.show().savefig(gallery, dpi=150)
    result: dict[str, Any] = {"set": str(out), "gallery": str(gallery), "seconds": round(time.monotonic() - begun, 1)}
    if args.networks:
        width = {"width": chosen["width"]} if "width" in chosen else {}
        measured = udd.evaluate(made, data, args.networks, epochs=args.epochs, checkups=1, **width, **at)
        result |= {"accuracy": measured.mean, "std": measured.std, "n": len(measured.values), "said": str(measured)}
    print(json.dumps(result) if args.json else said(result))


def given(method: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The keys of a run: the short schedule for what is distilled, and what the user asks for."""
    return asked if method in ("random", "herding", "forgetting") else SHORT | asked


def said(result: dict[str, Any]) -> str:
    """The result in words."""
    lines = [f"set: {result['set']}", f"gallery: {result['gallery']}", f"made in {duration(result['seconds'])}"]
    return "\n".join([*lines, *([f"test accuracy: {result['said']}"] if "said" in result else [])])
