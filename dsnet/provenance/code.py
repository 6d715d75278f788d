"""Digests of the code of modules and of their imports."""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from dsnet.provenance.records import PACKAGE, digest

# Objects with methods that write the log.
LOGS = ("log", "logging", "warnings")


def code_digest(
    modules: Iterable[str], counted: Collection[str], package: Path | None = None
) -> str:
    """Compute a digest of the statements of ``modules`` and of ``counted`` modules they import.

    It is taken from the syntax tree without everything that changes no number: comments,
    docstrings, annotations, log lines, messages of errors, and the imports. The module and the
    order of a statement do not count either, so code may move.

    Args:
        modules: full names, also of ``counted`` modules, or paths of files.
        counted: imports of other modules are not followed.
        package: the folder of dsnet, by default this one.

    Raises:
        ModuleNotFoundError: a name is not a module of this package.
    """
    statements: set[str] = set()
    waiting, done = list(modules), set()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        source = source_of(name, package)
        if source is None:
            raise ModuleNotFoundError(f"{name} is not a module of dsnet")
        found, own = _parts(source.read_bytes(), name, source.name == "__init__.py", package)
        waiting += [other for other in found if other in counted]
        statements.update(own)
    return digest(sorted(statements))


@functools.cache
def _parts(
    source: bytes, name: str, is_package: bool, package: Path | None
) -> tuple[list[str], list[str]]:
    """Return the imports of a module, and its statements."""
    tree = ast.parse(source)
    found = imported_modules(tree, name, is_package, package)
    return found, [ast.dump(part) for part in _Numbers().visit(tree).body]


class _Numbers(ast.NodeTransformer):
    """Reduce a syntax tree to what can change a number."""

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return None if self._is_own(node.names[0].name) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        own = node.level or self._is_own(node.module or "")
        return None if own or node.module in ("__future__", "typing") else node

    @staticmethod
    def _is_own(name: str) -> bool:
        return name.split(".")[0] == PACKAGE.name

    def visit_If(self, node: ast.If) -> ast.AST | None:
        typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return None if typing else self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        value = node.value
        if isinstance(value, ast.Constant) or (isinstance(value, ast.Call) and _logs(value.func)):
            return None
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        return None if set(names) & {"log", "__all__"} else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self.generic_visit(node)


def _logs(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute):
        return False
    return isinstance(function.value, ast.Name) and function.value.id in LOGS


def imported_modules(
    tree: ast.Module, module: str, is_package: bool, package: Path | None = None
) -> list[str]:
    """Return the dsnet modules that a module's syntax tree imports, at any depth.

    Imports for annotations alone do not count.
    """
    names = set()
    for node in _runtime(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")
                above = above[: len(above) - node.level + (1 if is_package else 0)]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                inner = f"{base}.{alias.name}"  # name of a module or of a function
                names.add(base if source_of(inner, package) is None else inner)
    return sorted(
        name for name in names if name.startswith("dsnet.") and source_of(name, package) is not None
    )


def _runtime(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        yield node
        yield from _runtime(node)


def source_of(module: str, package: Path | None = None) -> Path | None:
    """Return the file of a module of dsnet, or ``None``; a ``.py`` path stands for itself."""
    if module.endswith(".py"):
        return Path(module) if Path(module).is_file() else None
    base = (package or PACKAGE).parent.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None
