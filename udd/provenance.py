"""Where a result comes from: the code's digest, git revision, versions, device.

The digest covers a module's syntax tree and those of everything it imports from `udd`; comments and docstrings do not
count. The workflow gives it to each rule, so that an edit re-runs what it can change and nothing else.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import platform
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

PACKAGE = Path(__file__).parent
# Rooms whose code no result depends on: how a result is asked for, refused, logged, interrupted and written (tests hold
# that to the same bits), how raw data is read (its manifest, which pins the bytes, already counts).
UNCOUNTED = (
    "udd.config",
    "udd.data",
    "udd.runs",
    "udd.command",
    "udd.errors",
    "udd.files",
    "udd.device",
    "udd.slurm",
    "udd.provenance",
)


def module_path(name: str) -> Path | None:
    """The file of `udd.x.y`, or None if there is no such module (the name of a function, say)."""
    base = PACKAGE.joinpath(*name.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements within a node, at any depth. No expression holds one, and most of a tree is expressions."""
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, field, ()):
            yield each
            yield from statements(each)


def without_docstrings(tree: ast.Module) -> ast.Module:
    """The same tree with every docstring removed."""
    for node in (tree, *statements(tree)):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


@cache
def parsed(source: str) -> ast.Module:
    """The syntax tree of a source, without docstrings. Many modules import the same ones: each is read once."""
    return without_docstrings(ast.parse(source))


@cache
def written(source: str) -> str:
    """The syntax tree of a source as text."""
    return ast.dump(parsed(source)).replace(", type_params=[]", "")  # Python 3.12 added that field


@cache
def named(source: str) -> set[str]:
    """What a source imports from `udd`, anywhere in it: modules, and what is in them."""
    names = set()
    for node in statements(parsed(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("udd.")}


def imported(source: str) -> set[str]:
    """The `udd` modules that a source imports."""
    return set(filter(module_path, named(source)))


def counted(name: str) -> bool:
    """Whether an imported module can change what its importer computes; a package's own
    file only names what lies in it."""
    path = module_path(name)
    return not (path and path.name == "__init__.py") and not any(
        name == room or name.startswith(f"{room}.") for room in UNCOUNTED
    )


def closure(module: str) -> set[str]:
    """`module` and all that it imports from `udd`, directly or not; a package that is asked for itself
    brings all of its files."""
    seen: set[str] = set()
    todo = {module}
    while todo:
        name = todo.pop()
        seen.add(name)
        path = module_path(name)
        if path is None:
            raise ValueError(f"{name}: no such module in {PACKAGE}")
        todo |= set(filter(counted, imported(path.read_text())))
        if path.name == "__init__.py" and name == module:
            todo |= {f"{name}.{file.stem}" for file in path.parent.glob("*.py") if file.stem != "__init__"}
        todo -= seen
    return seen


@cache
def code_digest(module: str) -> str:
    """The digest (16 hexadecimal digits) of what `module` computes: its syntax and that of its imports from `udd`."""
    digest = hashlib.sha256()
    for name in sorted(closure(module)):
        path = module_path(name)
        assert path is not None
        digest.update(f"{name}\n{written(path.read_text())}\n".encode())
    return digest.hexdigest()[:16]


def digest_of(words: str, *tensors: Tensor) -> str:
    """The digest of words and of tensors of any types and shapes."""
    import torch

    found = hashlib.sha256(words.encode())
    for each in tensors:
        found.update(f"{each.dtype} {list(each.shape)}".encode())
        found.update(each.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())  # of any type
    return found.hexdigest()


def git_revision() -> str:
    """The repository's revision, with `+` when the work tree differs from it; `unknown` where none holds this package
    (one around an installed copy says nothing of it)."""
    try:
        asked = (
            ("ls-files", "--error-unmatch", "__init__.py"),
            ("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"),
        )
        found = [
            subprocess.run(["git", "-C", str(PACKAGE), *words], capture_output=True, text=True, check=True)
            for words in asked
        ]
        return found[-1].stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions() -> dict[str, str]:
    """The versions of what decides a number."""
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def provenance(module: str, device: Any) -> dict[str, Any]:
    """What to store with every result of `module` computed on `device` (a torch.device)."""
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    return {
        "module": module,
        "code": code_digest(module),
        "git": git_revision(),
        "versions": versions(),
        "device": name,
        "threads": torch.get_num_threads(),
    }
