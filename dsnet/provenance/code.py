"""Digests of code: of modules and of all that they import within dsnet."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from dsnet.provenance.records import PACKAGE, digest


def code_digest(*modules: str, without: Iterable[str] = ()) -> str:
    """Digest of the code of ``modules`` and of everything in dsnet that they import.

    Taken from the syntax tree, so comments, docstrings and formatting do not count. Modules in
    ``without`` (and what only they import) are left out.

    Raises:
        ModuleNotFoundError: a name is not a module of this package.
    """
    skipped, trees = set(without), {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in trees or name in skipped:
            continue
        source = _source(name)
        if source is None:
            raise ModuleNotFoundError(f"{name} is not a module of dsnet")
        tree = ast.parse(source.read_text(encoding="utf-8"))
        waiting += imported_modules(tree, name, is_package=source.name == "__init__.py")
        trees[name] = ast.dump(_without_docstrings(tree))
    return digest(sorted(trees.items()))


def imported_modules(tree: ast.Module, module: str, is_package: bool) -> list[str]:
    """Names of the dsnet modules that a module's syntax tree imports, at any depth."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")
                above = above[: len(above) - node.level + (1 if is_package else 0)]
                base = ".".join([*above, base] if base else above)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    # Importing a.b.c runs a.b too; dsnet itself has no code. A name may be a function's.
    parts = [name.split(".") for name in found if name.startswith("dsnet.")]
    names = {".".join(words[:length]) for words in parts for length in range(2, len(words) + 1)}
    return [name for name in names if _source(name) is not None]


def _source(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree
