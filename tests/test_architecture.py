"""The diagram of docs/architecture.md against the imports of every module."""

import ast
import re
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from dsnet.provenance.code import imported_modules
from dsnet.provenance.records import PACKAGE

PAGE = PACKAGE.parent / "docs/architecture.md"
# In which data flows through the library; the diagram may put more between, but not turn it round.
STAGES = ["datasets", "flow", "store", "clips", "models", "losses"]
STAGES += ["training", "evaluation", "tables", "figures", "cli"]


def diagram(page: str) -> list[str]:
    """The modules in reading order: rows from above, in a row from the left."""
    (block,) = re.findall(r"^```\{layers\}\n(.*?)^```", page, re.M | re.S)
    return [module for row in yaml.safe_load(block).values() for module in row]


def imports(package: Path = PACKAGE) -> dict[str, set[str]]:
    """What each module of the package imports of it, by full names."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        words = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(words).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        is_package = path.name == "__init__.py"
        found[name] = set(imported_modules(tree, name, is_package)) - {name}
    return found


def upstream(order: Iterable[str], found: Mapping[str, set[str]]) -> list[str]:
    """Imports of what stands later in ``order``, as 'module imports other'; folders are one box."""
    place = {module: number for number, module in enumerate(order)}
    pairs = [(module, other) for module, others in found.items() for other in sorted(others)]
    return [
        f"{module} imports {other}"
        for module, other in pairs
        if {_box(module), _box(other)} <= place.keys() and place[_box(module)] < place[_box(other)]
    ]


def _box(module: str) -> str:
    return module.split(".")[1]


@pytest.fixture(scope="module")
def order() -> list[str]:
    return diagram(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    return {name: others for name, others in imports().items() if name != "dsnet"}


def test_every_module_is_in_the_diagram_once(order, found):
    assert sorted(order) == sorted({_box(name) for name in found})


def test_no_module_imports_one_downstream_of_it(order, found):
    assert sum(map(len, found.values())) > 100
    assert upstream(order, found) == []


def test_the_diagram_has_the_order_in_which_data_flows(order):
    assert [module for module in order if module in STAGES] == STAGES


def test_no_module_imports_itself_by_way_of_others(found):
    # Importing a module of a folder runs the folder's own, which is no dependency of its code.
    graph = {
        name: {other for other in others if not name.startswith(f"{other}.")}
        for name, others in found.items()
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(found)


def test_an_import_against_the_order_is_found():
    order = ["disk", "store", "training"]
    found = {
        "dsnet.store.reader": {"dsnet.disk", "dsnet.store", "dsnet.training"},
        "dsnet.training": {"dsnet.store", "dsnet.disk"},
        "dsnet.disk": {"dsnet.store.reader"},
    }
    assert upstream(order, found) == [
        "dsnet.store.reader imports dsnet.training",
        "dsnet.disk imports dsnet.store.reader",
    ]


def test_imports_inside_functions_count(found):
    assert "dsnet.training" in found["dsnet.stages.networks"]
    assert "dsnet.flow.params" in found["dsnet.flow.numba"]
