"""Classes by name: what the configuration can choose from, dsnet's own and a user's.

A place is ``dsnet.losses.mae:MultiLevelMAE`` or, in a user's own file, ``my_losses.py:Mine``. It
is imported where the class is used, so that planning needs neither PyTorch nor a user's code.
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


def _entries(kind: str, path: str) -> dict[str, str]:
    """The names and classes of one file."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except OSError as error:
        raise PluginError(f"plugins: {path} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        raise PluginError(f"plugins: {path} is no Python: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == kind:
                return _written(node.value, f"plugins: {path}: expected {kind} to be written as")
    return {}


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
