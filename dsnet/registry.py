"""Classes by name that the configuration can choose: dsnet's own and a user's.

A place is ``dsnet.losses.mae:MultiLevelMAE`` or, for a user's file, ``my_losses.py:Mine``. It is
imported only where the class is used. So planning needs neither PyTorch nor a user's code. A user's
file has tables with the names of the tables here, such as ``LOSSES = {"mine": Mine}``.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from dsnet.errors import UserError

PACKAGE = Path(__file__).parent

LOSSES = {
    "mse": "dsnet.losses.mse:FeatureMSE",
    "mae": "dsnet.losses.mae:MultiLevelMAE",
    "gram": "dsnet.losses.gram:GramDistance",
    "dist": "dsnet.losses.dist:Relations",
    "dkd": "dsnet.losses.dkd:DecoupledKD",
    "pkd": "dsnet.losses.pkd:PearsonDistance",
    "at": "dsnet.losses.at:AttentionTransfer",
    "srd": "dsnet.losses.srd:SoftMaximum",
    "trusted": "dsnet.losses.trusted:TrustedMAE",
    "cka": "dsnet.losses.cka:KernelAlignment",
}
BACKBONES = {
    "resnext3d": "dsnet.models.resnext3d:ResNeXt3D",
    "r3d_18": "dsnet.models.videoresnet:R3D18",
    "mc3_18": "dsnet.models.videoresnet:MC318",
    "r2plus1d_18": "dsnet.models.videoresnet:R2Plus1D18",
    "swin3d_t": "dsnet.models.swin3d:Swin3DT",
    "slowonly_r50": "dsnet.models.slowonly:SlowOnly",
}
FUSIONS = {
    "average": "dsnet.fusion.average:Average",
    "attention": "dsnet.fusion.attention:Attention",
}
FLOWS = {
    "tvl1": "dsnet.flow.algorithms:TVL1Flow",
    "dis": "dsnet.flow.dis:DIS",
    "farneback": "dsnet.flow.farneback:Farneback",
    "raft": "dsnet.flow.raft:RAFT",
    "imported": "dsnet.imported:planes",  # read, not computed
}
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
    """Import the class at ``place``; raise PluginError if a user's file cannot give it."""
    module, name = place.rsplit(":", 1)
    if not module.endswith(".py"):
        return getattr(importlib.import_module(module), name)
    try:
        return getattr(_imported(Path(module)), name)
    except Exception as error:  # user's code may raise anything
        raise PluginError(f"plugins: {place} cannot be imported: {error}") from error


def make(
    where: str,
    kind: str,
    name: str,
    *arguments: Any,
    offers: Mapping[str, Callable[[], Any]] | None = None,
    **options: Any,
) -> Any:
    """Make an object of a registered class.

    Args:
        where: key of the configuration that names the class, for messages.
        kind: name of a table of this module.
        name: key of that table, or a place in a user's file. That file's own table ``kind`` must
            have the class: a name may come from a file of weights, which must not run other code.
        arguments, options: of the class.
        offers: more options, each computed only if the class has an argument of that name.

    Raises:
        PluginError: there is no such class, or the arguments do not fit it.
    """
    own = globals()[kind]
    place = own.get(name, name)
    module, _, of = place.rpartition(":")
    if name not in own and not (module.endswith(".py") and of in _entries(kind, module).values()):
        raise PluginError(f"{where}: {name} is not in {kind} ({', '.join(own)}), nor of a plugin")
    try:
        made = load(place)
        asked = signature(made).parameters if offers else {}
        more = {key: offer() for key, offer in (offers or {}).items() if key in asked}
        return made(*arguments, **options, **more)
    except (TypeError, ValueError) as error:
        raise PluginError(f"{where}: {place} cannot be made: {error}") from error


def _imported(path: Path) -> Any:
    """Return the module of a user's file, imported once, so that its classes exist once."""
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
    """Return the module, or a user's file, of ``place``."""
    return place.rsplit(":", 1)[0]


def places(kind: str, own: dict[str, str], plugins: Iterable[str]) -> dict[str, str]:
    """Return the places of all classes of a kind by name, from dsnet's ``own`` and ``plugins``.

    A user's file has the table ``kind``, such as ``LOSSES = {"mine": Mine}``, at its top level. The
    file is read, not run. Raises PluginError if this fails, or if two classes have the same name.
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
    """Read the class attribute ``name`` of the class at ``place``, or ``default`` without one.

    The file is read, not run. Attributes are inherited from classes of the same file alone. Raises
    PluginError if the file has no such class, or the value is not a literal.
    """
    module, of = place.rsplit(":", 1)
    path = module if module.endswith(".py") else f"{PACKAGE.parent}/{module.replace('.', '/')}.py"
    classes = {n.name: n for n in _parsed(path).body if isinstance(n, ast.ClassDef)}
    if of not in classes:
        raise PluginError(f"plugins: {path} has no class {of}")
    value, waiting = None, [of]
    while waiting and value is None:
        if found := classes.pop(waiting.pop(0), None):
            value = _assigned(found.body, name)
            waiting += [base.id for base in found.bases if isinstance(base, ast.Name)]
    try:
        return default if value is None else ast.literal_eval(value)
    except ValueError as error:
        wrong = f"plugins: {path}: expected {name} of {of} to be written as a tuple of texts"
        raise PluginError(wrong) from error


def _entries(kind: str, path: str) -> dict[str, str]:
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
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == name:
                return node.value
    return None


def _written(value: ast.expr, wrong: str) -> dict[str, str]:
    """Return the names and classes of ``{"name": Class}``."""
    pairs = dict(zip(value.keys, value.values, strict=True)) if isinstance(value, ast.Dict) else {}
    entries = {
        str(key.value): of.id
        for key, of in pairs.items()
        if isinstance(key, ast.Constant) and isinstance(of, ast.Name)
    }
    if not entries or len(entries) < len(pairs):
        raise PluginError(f'{wrong} {{"name": Class}}')
    return entries
