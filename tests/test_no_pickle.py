"""Nothing is ever unpickled (attack HE-12): no module of the package imports what could do it."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "dataspace"
FORBIDDEN = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "copyreg"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(source: str) -> set[str]:
    """The modules that a source imports, and what it loads by name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found |= {name.name.partition(".")[0] for name in names}
            case ast.ImportFrom(module=str(module)):
                found.add(module.partition(".")[0])
            case ast.keyword(arg="allow_pickle", value=ast.Constant(value=True)):
                found.add("pickle")
            case ast.Call(args=[ast.Constant(value=str(name)), *_]):
                found.add(name.partition(".")[0])
            case _:
                pass
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_he_12_nothing_is_unpickled(path: Path) -> None:
    assert not imported(path.read_text()) & FORBIDDEN


@pytest.mark.parametrize(
    "naive",
    [
        "import pickle",
        "from pickle import loads",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "import importlib\nimportlib.import_module('pickle')",
        "__import__('marshal')",
    ],
)
def test_he_12_what_would_unpickle_is_found(naive: str) -> None:
    assert imported(naive) & FORBIDDEN
