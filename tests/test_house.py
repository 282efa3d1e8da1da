"""The house: imports go down the order of the rooms and never in a circle, and the one entry point is
udd/__main__.py."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from tiny import ROOT

from udd.__main__ import VERBS

PACKAGE = ROOT / "udd"
ORDER = [
    *("errors", "files", "provenance", "slurm", "command", "persistence", "device", "surroundings", "pull",
    "config", "data", "networks", "synthetic"),
    *("objectives", "proxies", "methods", "evaluation", "costs", "runs", "reports", "given", "sources", "interface",
    "interim", "accuracy", "schedules", "source_request", "beside", "own", "splitting", "inspection"),
    *("checking", "foreign", "judge", "compare", "adopting", "importing", "exporting", "exchange", "workflow", "demo",
    "__main__", "completion"),
]  # fmt: skip
# Names that say nothing, of a module, a class or a function
VAGUE = {
    "companies",
    "company",
    "engine",
    "job",
    "jobs",
    "places",
    "portion",
    "request",
    "running",
    "share",
    "shelf",
    "take",
}
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """udd/x/y.py -> udd.x.y; a package's __init__ is the package."""
    return ".".join(("udd", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {name_of(path): ast.parse(path.read_text()) for path in FILES}
NAMES = [
    (module, node)
    for module, tree in MODULES.items()
    for node in ast.walk(tree)
    if isinstance(node, ast.ClassDef | ast.FunctionDef)
]


def room(module: str) -> int:
    """The place of a module's room in the order."""
    return ORDER.index(module.split(".")[1])


def imported(tree: ast.Module) -> set[str]:
    """The modules of `udd` that a module imports, anywhere in it; of `from udd.x import y` the
    module y if it is one, else x."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: name the module in full"
            names = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {full if full in MODULES else str(node.module) for full in names.values()}
    # udd itself imports nothing, but for its lazy interface
    return {name for name in found if name in MODULES and name != "udd"}


IMPORTS = {name: imported(tree) for name, tree in MODULES.items() if name != "udd"}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "udd"])
def test_no_import_goes_up(module):
    higher = sorted(other for other in IMPORTS[module] if room(other) > room(module))
    assert not higher, f"{module} imports {', '.join(higher)}, of a higher room"


def test_no_modules_import_each_other_in_a_circle():
    assert len(list(TopologicalSorter(IMPORTS).static_order())) == len(IMPORTS)  # CycleError names the circle


def test_what_lies_at_the_bottom_and_the_top_is_all_there_is():
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} == {*ORDER, "__init__"}


@pytest.mark.parametrize(
    "path", [path for path in FILES if path != PACKAGE / "__main__.py"], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_there_is_one_entry_point(path):
    tests = [node.test for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.If)]
    assert path.name != "__main__.py" and not any("__main__" in ast.unparse(test) for test in tests)


def test_no_name_says_nothing():
    every = {f"{module}.{node.name}" for module, node in NAMES if node.name.lower() in {*VAGUE, "proxies"}}
    classes = {
        f"{module}.{node.name}"
        for module, node in NAMES
        if isinstance(node, ast.ClassDef) and node.name.lower() in {"run", "place"}
    }
    modules = {module for module in MODULES if module.split(".")[-1] in VAGUE}
    assert not every | classes | modules


def test_a_class_has_a_name_of_its_own():
    counted = Counter(node.name for _, node in NAMES if isinstance(node, ast.ClassDef))
    assert [name for name, count in counted.items() if count > 1] == ["State"]  # each method's own


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_module_that_runs(verb):
    assert any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in MODULES[VERBS[verb][0]].body)


@pytest.mark.parametrize("module", MODULES)
def test_no_function_takes_a_parsed_command_line(module):
    functions = [node for node in ast.walk(MODULES[module]) if isinstance(node, ast.FunctionDef)]
    taken = [
        (arg.arg, ast.unparse(arg.annotation) if arg.annotation else "") for each in functions for arg in each.args.args
    ]
    assert not [name for name, kind in taken if "Namespace" in kind or (name, kind) in {("args", "Any"), ("args", "")}]
