"""What of the code makes which stage run again: every module, changed in every harmless way."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dsnet.experiment.networks import Model
from dsnet.provenance import PACKAGE
from dsnet.provenance.code import imported_modules
from dsnet.registry import BACKBONES, FUSIONS
from dsnet.stages import STAGES
from dsnet.stages.code import NUMBERS, SHOWN
from dsnet.stages.networks import fusion_code

# What files, locks, logs, checks, explains or plans; and frames and flow, which have versions.
# A folder stands for all in it that is not in NUMBERS or SHOWN.
OTHERS = {
    *(
        "",
        "__main__",
        "benchmark",
        "crate",
        "csvs",
        "devices",
        "disk",
        "distributed",
        "errors",
        "evaluation",
        "export",
    ),
    *(
        "caches",
        "gpus",
        "hdf5",
        "imported",
        "launching",
        "overlap",
        "registry",
        "releases",
        "shards",
        "sharing",
        "signatures",
        "starting",
        "vision",
    ),
    *("cli", "datasets", "doctor", "experiment", "fetching", "flow", "predict", "show", "stages"),
    *("provenance", "store", "video"),
    # The rest of folders that have numbers.
    *("clips", "clips.opening", "fusion", "losses", "scores", "scores.files"),
    *("models", "models.building", "models.checkpoints", "models.pretrained"),
    *("training", "training.diagnostics", "training.preparation", "training.results"),
    "training.resuming",
    *("tables", "figures", "figures.flow", "figures.videos", "pages"),
}
# All of these is in OTHERS, new files too.
WHOLE = {"cli", "datasets", "doctor", "experiment", "fetching", "flow", "predict"}
WHOLE |= {"provenance", "show", "stages", "store", "video"}
# A pure module may raise the errors of others, and use torchvision.
ALLOWED = {"dsnet.errors", "dsnet.vision"}
SCORED = ("train", "evaluate", "fuse", "network")
STUDENTS = ("mars", "ds-mae", "ds-gram", "ds-literal", "ds", "mars-mae", "mars-gram")
STUDENTS += ("pkd-fading", "others")  # the second is OTHER
TRAINED = ("flow", "rgb", "few", "frame", *STUDENTS)
# A stream with everything for few videos, which the others do without.
FEW = {
    "title": "Few videos",
    "input": "rgb",
    "training": {
        **{"class_weights": "balanced", "label_smoothing": 0.1, "dropout": 0.2, "ema": 0.9},
        **{"mixup": 0.2, "augment": {"rotation": 10}},
    },
}
FRAME = {"title": "One frame", "input": "rgb", "still": True}


# A student with losses that no stream of config.yaml has.
OTHER = {
    **{"title": "Others", "input": "rgb", "teacher": "flow"},
    "losses": {"at": {}, "cka": {}, "dist": {}, "dkd": {}, "srd": {}, "trusted": {}},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of dsnet by its full name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        words = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(words).removesuffix(".__init__"), path


def other(name: str) -> bool:
    short = name.removeprefix("dsnet").removeprefix(".")
    return short in OTHERS or short.split(".")[0] in WHOLE


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of dsnet to change."""
    return shutil.copytree(PACKAGE, tmp_path / "dsnet", ignore=shutil.ignore_patterns("*.pyc"))


@pytest.fixture
def digests(loaded, package: Path) -> Callable[[], dict[str, str]]:
    """The digests of all stages, of the training of every stream and network, of every fusion.

    The first convolution of ``ds-gram`` is averaged.
    """
    averaged = {"first_convolution": "averaged"}
    added = {"few": FEW, "frame": FRAME, "others": OTHER, "ds-gram": averaged}
    experiment = loaded({"streams": added})
    jobs = {name: (name, None) for name in STAGES if STAGES[name].has_code}
    del jobs["train"]
    jobs |= {f"train {name}": ("train", SimpleNamespace(stream=name)) for name in TRAINED}

    others = {
        name: experiment.model_copy(update={"model": Model(backbone=name)})
        for name in BACKBONES
        if name != experiment.model.backbone
    }

    def taken() -> dict[str, str]:
        found = {
            job: STAGES[name].digest(STAGES[name].modules(experiment, wildcards), package)
            for job, (name, wildcards) in jobs.items()
        }
        for kind in FUSIONS:
            code = fusion_code(experiment, kind)
            found[f"fuse {kind}"] = STAGES["fuse"].digest(code, package)
        train, wildcards = STAGES["train"], SimpleNamespace(stream="rgb")
        return found | {
            f"network {name}": train.digest(train.modules(other, wildcards), package)
            for name, other in others.items()
        }

    return taken


def copied(package: Path, path: Path) -> Path:
    return package / path.relative_to(PACKAGE)


class Words(ast.NodeTransformer):
    """Changes every text, docstrings included, and adds a statement."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(f"{node.value} and so on") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("another message")

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self.generic_visit(node)
        node.body.append(ast.parse("ADDED = None").body[0])
        return node


class Arithmetic(ast.NodeTransformer):
    """Changes one operation, comparison or number that is in no message and no annotation."""

    def __init__(self) -> None:
        self.done = False

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        swapped = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
        if not self.done and type(node.op) in swapped:
            self.done, node.op = True, swapped[type(node.op)]()
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if not self.done:
            self.done, node.comparators = True, [ast.Constant(None)]
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if not self.done and node.attr == "mean":
            self.done, node.attr = True, "sum"
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if not self.done and type(node.value) in (bool, int, float):
            self.done = True
            return ast.Constant(not node.value if type(node.value) is bool else node.value + 1)
        return node


def change(path: Path, how: ast.NodeTransformer) -> None:
    """Write the file anew with another syntax tree."""
    tree = ast.fix_missing_locations(how.visit(ast.parse(path.read_text(encoding="utf-8"))))
    path.write_text(ast.unparse(tree), encoding="utf-8")


def test_every_module_is_known_to_count_or_not_to():
    names = {name for name, _ in modules()}
    assert {*NUMBERS, *SHOWN} <= names
    assert not {name for name in (*NUMBERS, *SHOWN) if other(name)}
    unknown = {name for name in names - {*NUMBERS, *SHOWN} if not other(name)}
    assert not unknown, "put them into NUMBERS or SHOWN of dsnet/stages/code.py, or OTHERS here"
    assert not {n for n in OTHERS - WHOLE if f"dsnet.{n}".rstrip(".") not in names}


def test_what_determines_numbers_imports_nothing_else():
    for name, path in modules():
        if name in NUMBERS:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found = {*imported_modules(tree, name, False)}
            assert found <= {*NUMBERS, *ALLOWED}, name
            others = {
                word
                for node in ast.walk(tree)
                if isinstance(node, ast.Import | ast.ImportFrom)
                for word in (getattr(node, "module", None), *(alias.name for alias in node.names))
            }
            allowed = {"os"} if name == "dsnet.arithmetic" else set()
            assert not {"logging", "os", "tqdm"} & others - allowed, name


def test_words_and_harmless_statements_elsewhere_concern_nothing(package, digests):
    before = digests()
    for name, path in modules():
        if name not in NUMBERS and name not in SHOWN:
            change(copied(package, path), Words())
    assert digests() == before


def test_what_shows_the_numbers_determines_none(package, digests):
    before = digests()
    for name, path in modules():
        if name in SHOWN:
            change(copied(package, path), Words())
    after = digests()
    changed = {stage for stage in before if after[stage] != before[stage]}
    assert changed == {job for job in before if job.split()[0] not in SCORED}


@pytest.mark.parametrize("name", NUMBERS)
def test_arithmetic_of_what_determines_numbers_concerns_something(name, package, digests):
    before = digests()
    path = dict(modules())[name]
    how = Arithmetic()
    change(copied(package, path), how)
    assert how.done
    changed = {stage for stage, digest in digests().items() if digest != before[stage]}
    assert changed & {job for job in before if job.split()[0] in SCORED}


@pytest.mark.parametrize(
    ("module", "streams"),
    [
        ("losses/mse.py", {"mars", "mars-mae", "mars-gram"}),
        ("losses/mae.py", {"ds-mae", "ds", "ds-literal", "mars-mae"}),
        ("losses/gram.py", {"ds-gram", "ds", "ds-literal", "mars-gram"}),
        ("losses/pkd.py", {"pkd-fading"}),
        ("losses/cka.py", {"others"}),
        ("losses/dkd.py", {"others"}),
        ("losses/normalising.py", {"pkd-fading", "others"}),
        ("losses/distillation.py", {*STUDENTS}),
        ("models/frozen.py", {*STUDENTS}),
        ("losses/cross_entropy.py", {"few"}),
        ("clips/augmentation.py", {"few"}),
        ("training/averaging.py", {"few"}),
        ("training/noise.py", {"few"}),
        ("clips/sampling.py", {*TRAINED}),
        ("clips/transforms.py", {*TRAINED}),
        ("training/schedule.py", {*TRAINED}),
        ("training/steps.py", {*TRAINED}),
        ("models/resnet3d.py", {*TRAINED}),
        ("models/resnext3d.py", {*TRAINED}),
        ("models/videoresnet.py", set()),
        ("models/swin3d.py", set()),
        ("models/slowonly.py", set()),
        ("models/averaging.py", {"ds-gram"}),
        ("models/still.py", {"frame"}),
        ("scoring.py", set()),
        ("fusion/attention.py", set()),
    ],
)
def test_arithmetic_concerns_the_streams_that_use_it(module, streams, package, digests):
    before = digests()
    change(package / module, Arithmetic())
    after = digests()
    changed = {stage for stage in after if after[stage] != before[stage]}
    assert {job.removeprefix("train ") for job in changed if job.startswith("train ")} == streams


def test_code_that_only_moves_concerns_nothing(package, digests):
    before = digests()
    mae, features = package / "losses/mae.py", package / "losses/features.py"
    moved = mae.read_text(encoding="utf-8")
    moved = moved[moved.index("def _mean_absolute") :]
    mae.write_text(
        mae.read_text(encoding="utf-8")
        .replace(moved, "")
        .replace("import Features, difference", "import Features, _mean_absolute, difference"),
        encoding="utf-8",
    )
    with open(features, "a", encoding="utf-8") as file:
        file.write(f"\n\n{moved}")
    after = digests()
    assert after["train ds-mae"] == before["train ds-mae"]
