"""Code digests: what changes them, and what does not."""

import ast
import re
import shutil
import subprocess

import pytest
import torch
from tiny import ROOT

from udd import provenance
from udd.provenance import closure, code_digest

ORIGINAL = ROOT / "udd"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package whose digests are taken."""
    copy = tmp_path / "udd"
    shutil.copytree(ORIGINAL, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copy)
    yield copy
    code_digest.cache_clear()


DECIDES = (
    "methods.udd",
    "methods.policies",
    "objectives.matching",
    "objectives.losses",
    "synthetic.regions",
    "synthetic.initial",
)
DECIDES += ("networks.augment", "networks.training", "networks.architectures")


UNCOUNTED = (
    "evaluation/accuracy",
    "reports/tables",
    "methods/dm",
    "methods/__init__",
    "config/plan",
    "config/requested",
    "command",
    "files",
    "runs/loop",
    "runs/completing",
    "runs/alarm",
)
UNCOUNTED += ("data/official",)


def digest(module: str = "udd.methods.udd") -> str:
    """A digest that is taken now."""
    code_digest.cache_clear()
    return code_digest(module)


def append(path, text: str) -> None:
    path.write_text(path.read_text() + text)


def test_a_digest_is_16_hexadecimal_digits_and_stays():
    assert re.fullmatch("[0-9a-f]{16}", digest())
    assert digest() == digest() != digest("udd.evaluation.accuracy")


def test_the_closure_holds_what_decides_the_numbers():
    found = closure("udd.methods.udd")
    assert {f"udd.{name}" for name in DECIDES} <= found
    others = (
        "evaluation.accuracy",
        "reports.tables",
        "methods.coresets",
        "config.plan",
        "files",
        "errors",
        "provenance",
        "runs.loop",
    )
    assert not {f"udd.{name}" for name in others} & found
    assert {
        "udd.evaluation.accuracy",
        "udd.networks.training",
        "udd.networks.architectures",
        "udd.synthetic.sets",
    } <= closure("udd.evaluation.accuracy")
    # What refuses a set changes no number
    assert not {"udd.methods.udd", "udd.config.compare"} & closure("udd.evaluation.accuracy")


def test_every_module_of_the_package_has_a_digest():
    for path in ORIGINAL.rglob("*.py"):
        name = ".".join(("udd", *path.relative_to(ORIGINAL).with_suffix("").parts)).removesuffix(".__init__")
        if name != "udd":
            assert digest(name)


EDITS = {
    "comment": lambda text: "# A remark.\n" + text.replace("\n\n\n", "\n\n\n# Another.\n", 1),
    "module's docstring": lambda text: text.replace('"""', '"""Differently said: ', 1),
    "function's docstring": lambda text: text.replace('    """', '    """Differently said: ', 1),
    "no docstrings": lambda text: ast.unparse(provenance.without_docstrings(ast.parse(text))),
    "white space": lambda text: text.replace("\n\n\n", "\n\n\n\n") + "\n\n",
}


ALL_KINDS = """
import a
class B:
    async def c(self):
        for d in e:
            try:
                with f:
                    import g
            except* H:
                import i
            else:
                import j
            finally:
                while k: import l
        else:
            match m:
                case n: import o
        return (lambda: p)() if q else [r for r in s]
"""


def test_every_statement_is_found_however_deep():
    for source in (ALL_KINDS, *(path.read_text() for path in (ROOT / "udd").rglob("*.py"))):
        tree = ast.parse(source)
        found = [each for each in provenance.statements(tree) if isinstance(each, ast.stmt)]
        assert len(set(found)) == len(found) and set(found) == {
            each for each in ast.walk(tree) if isinstance(each, ast.stmt)
        }


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("module", ["methods/udd", "synthetic/regions"])
def test_comments_docstrings_and_white_space_do_not_count(package, edit, module):
    path, before = package / f"{module}.py", digest()
    text = path.read_text()
    path.write_text(EDITS[edit](text))
    assert path.read_text() != text
    assert digest() == before


@pytest.mark.parametrize("module", [name.replace(".", "/") for name in DECIDES])
def test_code_counts_in_the_module_and_in_what_it_imports(package, module):
    before = digest()
    append(package / f"{module}.py", "\nADDED = 1\n")
    assert digest() != before


def test_a_number_counts(package):
    path, before = package / "networks/augment.py", digest()
    assert "SCALE, ROTATE = 0.125, 0.5, 1.2, 15.0" in path.read_text()
    path.write_text(path.read_text().replace("1.2, 15.0", "1.2, 16.0"))
    assert digest() != before


@pytest.mark.parametrize(
    "module",
    UNCOUNTED,
)
def test_what_cannot_change_the_numbers_does_not_count(package, module):
    before = digest()
    append(package / f"{module}.py", "\nADDED = 1\n")
    assert digest() == before


def test_a_newly_imported_module_counts_from_then_on(package):
    (package / "extra.py").write_text("X = 1\n")
    before = digest()
    (package / "extra.py").write_text("X = 2\n")
    assert digest() == before
    append(package / "synthetic/regions.py", "\n\ndef later():\n    from udd import extra\n    return extra.X\n")
    with_it = digest()
    (package / "extra.py").write_text("X = 3\n")
    assert len({before, with_it, digest()}) == 3


def test_how_data_is_read_counts_for_the_data_alone(package):
    before = digest("udd.data")
    append(package / "data" / "official.py", "\nADDED = 1\n")
    assert digest("udd.data") != before


def test_modules_that_import_each_other_end(package):
    (package / "one.py").write_text("import udd.two\n")
    (package / "two.py").write_text("from udd import one\n")
    assert closure("udd.one") == {"udd.one", "udd.two"}


def test_a_module_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match="udd.nothing: no such module"):
        digest("udd.nothing")


def test_a_repository_around_an_installed_copy_says_nothing_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "udd")
    (tmp_path / "udd").mkdir()
    (tmp_path / "udd" / "__init__.py").write_text("")
    call = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "another's"]):
        subprocess.run([*call, *words], check=True)
    assert provenance.git_revision() == "unknown"
    for words in (["add", "."], ["commit", "-q", "-m", "now its own"]):
        subprocess.run([*call, *words], check=True)
    assert len(provenance.git_revision()) == 12


def test_provenance_says_code_revision_versions_and_device(package, tmp_path):
    found = provenance.provenance("udd.methods.udd", torch.device("cpu"))
    assert found["module"] == "udd.methods.udd" and found["code"] == digest()
    assert found["git"] == "unknown"  # the copy lies outside the repository
    assert (
        found["versions"]["torch"] == torch.__version__.split("+")[0] or found["versions"]["torch"] == torch.__version__
    )
    assert found["device"].endswith("CPU") and found["threads"] == torch.get_num_threads()
