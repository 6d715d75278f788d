"""Classes by name: what the configuration can choose from, dsnet's own and a user's.

A place is ``dsnet.losses.mae:MultiLevelMAE`` or, in a user's own file, ``my_losses.py:Mine``. It
is imported where the class is used, so that planning needs neither PyTorch nor a user's code.

A user's file has tables of the same names as the ones here, such as ``LOSSES = {"mine": Mine}``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dsnet.errors import UserError

PACKAGE = Path(__file__).parent

LOSSES = {
    "mse": "dsnet.losses.mse:FeatureMSE",
    "mae": "dsnet.losses.mae:MultiLevelMAE",
    "gram": "dsnet.losses.gram:GramDistance",
}
BACKBONES = {"resnext3d": "dsnet.models.resnext3d:ResNeXt3D"}
FUSIONS = {
    "average": "dsnet.fusion.average:Average",
    "attention": "dsnet.fusion.attention:Attention",
}
FLOWS = {"tvl1": "dsnet.flow.algorithms:TVL1Flow"}
DATASETS = {
    "motions": "dsnet.datasets.motions.files:Motions",
    "folder": "dsnet.datasets.folder:Folder",
    "weizmann": "dsnet.datasets.weizmann:Weizmann",
    "ucf101": "dsnet.datasets.ucf101:UCF101",
    "hmdb51": "dsnet.datasets.hmdb51:HMDB51",
}


class PluginError(UserError):
    """A file of ``plugins`` that cannot be used; the message says which and why."""


def load(place: str) -> Any:
    """Import the class at ``place``.

    Raises:
        PluginError: a user's file cannot be imported, or has no such class.
    """
    module, name = place.rsplit(":", 1)
    if not module.endswith(".py"):
        return getattr(importlib.import_module(module), name)
    try:
        return getattr(_imported(Path(module)), name)
    except Exception as error:  # it is the user's code
        raise PluginError(f"plugins: {place} cannot be imported: {error}") from error


def make(where: str, kind: str, name: str, *arguments: Any, **options: Any) -> Any:
    """Make an object of a class.

    Args:
        where: the configuration's key that names it, for messages.
        kind: the name of a table of this module.
        name: a key of that table, or a place in a user's file, whose own table ``kind`` must have
            the class: a name may come from a file of weights, and no other code is run for it.
        arguments: of the class.
        options: of the class.

    Raises:
        PluginError: there is no such class, or it cannot be made of these arguments.
    """
    own = globals()[kind]
    place = own.get(name, name)
    module, _, of = place.rpartition(":")
    if name not in own and not (module.endswith(".py") and of in _entries(kind, module).values()):
        raise PluginError(f"{where}: {name} is not in {kind} ({', '.join(own)}), nor of a plugin")
    try:
        return load(place)(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise PluginError(f"{where}: {place} cannot be made: {error}") from error


def _imported(path: Path) -> Any:
    """The module of a user's file, imported once: classes of one file must be the same ones."""
    name = f"plugin {path.resolve()}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def module_of(place: str) -> str:
    """The module, or a user's file, that ``place`` is in."""
    return place.rsplit(":", 1)[0]


def places(kind: str, own: dict[str, str], plugins: Iterable[str]) -> dict[str, str]:
    """The places of all classes of a kind by name: dsnet's ``own`` and those of ``plugins``.

    A user's file says ``LOSSES = {"mine": Mine}`` at its top level. It is read, and not run.

    Args:
        kind: the name that the file gives them, such as ``LOSSES``.
        own: of dsnet.
        plugins: files of a user's.

    Raises:
        PluginError: a file is not there or is no Python, or a name is given twice.
    """
    found = dict(own)
    for path in plugins:
        for name, of in _entries(kind, path).items():
            if name in found:
                raise PluginError(
                    f"plugins: {path} names {name} in {kind}, which is {found[name]} already; "
                    f"choose another name"
                )
            found[name] = f"{path}:{of}"
    return found


def constant(place: str, name: str, default: Any) -> Any:
    """The class attribute ``name`` of the class at ``place``, read and not run.

    Without one it is ``default``; what a class inherits is not read.

    Raises:
        PluginError: it is not written as a literal, or the file has no such class.
    """
    module, of = place.rsplit(":", 1)
    path = module if module.endswith(".py") else f"{PACKAGE.parent}/{module.replace('.', '/')}.py"
    classes = [n for n in _parsed(path).body if isinstance(n, ast.ClassDef) and n.name == of]
    if not classes:
        raise PluginError(f"plugins: {path} has no class {of}")
    value = _assigned(classes[-1].body, name)
    try:
        return default if value is None else ast.literal_eval(value)
    except ValueError as error:
        wrong = f"plugins: {path}: expected {name} of {of} to be written as a tuple of texts"
        raise PluginError(wrong) from error


def _entries(kind: str, path: str) -> dict[str, str]:
    """The names and classes of one file."""
    value = _assigned(_parsed(path).body, kind)
    wrong = f"plugins: {path}: expected {kind} to be written as"
    return {} if value is None else _written(value, wrong)


def _parsed(path: str) -> ast.Module:
    try:
        return ast.parse(Path(path).read_bytes())
    except OSError as error:
        raise PluginError(f"plugins: {path} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise PluginError(f"plugins: {path} is no Python: {error}") from error


def _assigned(body: Iterable[ast.stmt], name: str) -> ast.expr | None:
    """What is assigned to ``name``."""
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == name:
                return node.value
    return None


def _written(value: ast.expr, wrong: str) -> dict[str, str]:
    """The names and classes of ``{"name": Class}``."""
    pairs = dict(zip(value.keys, value.values, strict=True)) if isinstance(value, ast.Dict) else {}
    entries = {
        str(key.value): of.id
        for key, of in pairs.items()
        if isinstance(key, ast.Constant) and isinstance(of, ast.Name)
    }
    if not entries or len(entries) < len(pairs):
        raise PluginError(f'{wrong} {{"name": Class}}')
    return entries
