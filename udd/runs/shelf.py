"""The shelf: finished results that wait for the job that asks for them, each known by the digest of its configuration, code and inputs.

    python -m udd.runs.shelf results/shelf FROM.safetensors [...]     # lay sets that were made on another machine, with their curves, on it

The next `snakemake` takes them as if it had made them, if their configuration is still the planned one, their code the present one, and the
data set the same.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from udd.cli import UserError, main
from udd.config.plan import canonical
from udd.files import atomic_path, sha256, write_atomic
from udd.runs.provenance import code_digest


def inputs_digest(files: Iterable[Path | str | None]) -> str:
    """The digest of the contents of the files that a result is made of: the data set's manifest, and the set that is evaluated, if any."""
    return hashlib.sha256("".join(sha256(file) for file in files if file).encode()).hexdigest()


def digest(config: Any, module: str, inputs: str) -> str:
    """Twelve hexadecimal digits that name a configuration together with the code that `module` is made of and the digest of its inputs."""
    return hashlib.sha256((canonical(config) + code_digest(module) + inputs).encode()).hexdigest()[:12]


def place(shelf: Path, config: dict[str, Any], module: str, inputs: str, suffix: str) -> Path:
    """Where a result lies on the shelf."""
    return shelf / f"{module.removeprefix('udd.')}-{digest(config, module, inputs)}{suffix}"


def fail(lying: Path, message: str) -> None:
    """Leave a note where a result would lie, for the job that will ask for it."""
    write_atomic(lying.with_suffix(".failed"), message)


def take(lying: Path, wanted: Path) -> bool:
    """Move a result from the shelf to where it is wanted. Whether it was there. Raises UserError if instead a note says that it failed."""
    note = lying.with_suffix(".failed")
    if note.exists():
        message = note.read_text()
        note.unlink()  # said once: the next time it is tried again
        raise UserError(message)
    if not lying.exists():
        return False
    wanted.parent.mkdir(parents=True, exist_ok=True)
    os.replace(lying, wanted)
    return True


def check(path: Path, metadata: dict[str, Any]) -> None:
    """Raise UserError unless the set was made by the present code, and says of which data."""
    made, present = metadata["provenance"].get("code"), code_digest("udd.methods.udd")
    if made != present:
        raise UserError(f"{path}: made by the code {made}, expected {present}; make it again, or check out the revision that made it")
    if "inputs" not in metadata["provenance"]:
        raise UserError(f"{path}: its provenance does not say of which data it was made (inputs); make it again")


def set_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a synthetic set. Raises UserError if the file is not one."""
    try:
        with safe_open(str(path), framework="np") as file:
            return json.loads((file.metadata() or {})["udd"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a whole synthetic set ({' '.join(str(error).split())}); copy it again") from None


def lay(shelf: Path, path: Path) -> Path:
    """Copy a set and its curve onto the shelf."""
    metadata = set_metadata(path)
    check(path, metadata)
    curve = path.with_suffix(".csv")
    if not curve.exists():
        raise UserError(f"{curve}: no such file; a set's curve lies beside it")
    lying = place(shelf, metadata["config"], "udd.methods.udd", metadata["provenance"]["inputs"], ".safetensors")
    for source, target in ((curve, lying.with_suffix(".csv")), (path, lying)):
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
    return lying


def run(argv: list[str] | None = None) -> None:
    """Lay the sets that the command line names on the shelf."""
    parser = argparse.ArgumentParser(
        prog="python -m udd.runs.shelf", description="Lay finished sets on the shelf, from which the workflow takes them."
    )
    parser.add_argument("shelf", type=Path, help="results/shelf, beside the results that are to take them")
    parser.add_argument("sets", type=Path, nargs="+", help="synthetic sets, each with its curve (the same name, .csv) beside it")
    args = parser.parse_args(argv)
    for path in args.sets:
        print(f"{path} -> {lay(args.shelf, path)}")


if __name__ == "__main__":
    main(run)
