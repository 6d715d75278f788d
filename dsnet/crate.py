"""A run as an RO-Crate: its results, settings and workflow, described so that programs read it."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment import read
from dsnet.provenance import PACKAGE, keep_input, record, replacing

# Workflow Run Crate, and the two profiles that it builds on.
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
SNAKEFILE, CONFIG = "Snakefile", "config.yaml"
WORKFLOW = ("constraints.txt", "LICENSE", "workflow/**/*", "envs/*.yaml")
# Neither videos, frames, flow and clips nor what shows them: they may not be one's own to publish.
SHOWING = ("-contact", "-features", "-classes")
RESULTS = ("tables/*", "figures/*.png", "figures/*.svg", "provenance.html", "*/broken.csv")
RUNS = "*/split*/*f/seed*"
OF_A_RUN = ("*/history.csv", "*/scores.h5", "fusion/*.json")
MODELS = "*/model.pt"


class CrateError(UserError):
    """A run that cannot be packed."""


def crate(
    output: PathLike,
    overlays: Sequence[PathLike] = (),
    models: bool = False,
    license: str | None = None,
) -> None:
    """Pack the results of a finished run into a Workflow Run RO-Crate.

    Args:
        output: the .zip to write.
        overlays: the files that were given to Snakemake as ``--configfile``.
        models: whether every ``model.pt`` goes along.
        license: of the results, an address or a name of SPDX.

    Raises:
        CrateError: the package rocrate is missing, dsnet is no copy of the repository, or there is
            no table yet.
        ConfigError, OSError: the configuration cannot be read, or is wrong.
        UserError: ``output`` is a file of the configuration.
    """
    try:
        from rocrate.model.contextentity import ContextEntity
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise CrateError("a crate needs the package rocrate: pip install 'dsnet[crate]'") from None
    for path in (CONFIG, *overlays):
        keep_input(path, output)
    root, experiment = PACKAGE.parent, read(overlays)
    folder = Path(experiment.results)
    if not (root / SNAKEFILE).is_file():
        raise CrateError(f"{root} has no {SNAKEFILE}; run this in a copy of the repository")
    if not (folder / "tables/table1.csv").is_file():
        raise CrateError(f"{folder} has no tables; run snakemake with the same files first")
    chosen = (*OF_A_RUN, MODELS) if models else OF_A_RUN
    made = _files(folder, (*RESULTS, *(f"{RUNS}/{name}" for name in chosen)))
    made = [path for path in made if not path.stem.endswith(SHOWING)]
    packed = ROCrate(version="1.1")
    titles = ", ".join(str(entry.title) for entry in experiment.entries().values())
    packed.name = f"dsnet on {titles}"
    packed.description = "Tables, figures and scores of a run of dsnet, its settings and workflow."
    packed.license = license
    about = {"name": "dsnet", "version": record()["commit"], "license": "MIT"}
    workflow = packed.add_workflow(
        root / SNAKEFILE, SNAKEFILE, main=True, lang="snakemake", properties=about
    )
    for path in _files(root, WORKFLOW):
        packed.add_file(path, path.relative_to(root).as_posix())
    ended = datetime.fromtimestamp(max(path.stat().st_mtime for path in made), UTC)
    packed.add_action(
        workflow,
        object=[
            packed.add_file(path, f"settings/{number}-{Path(path).name}", properties=_type(path))
            for number, path in enumerate((CONFIG, *overlays))
        ],
        result=[
            packed.add_file(
                path, f"results/{path.relative_to(folder).as_posix()}", properties=_type(path)
            )
            for path in made
        ],
        properties={"name": packed.name, "endTime": ended.isoformat(timespec="seconds")},
    )
    for address, name in PROFILES.items():
        version = address.rsplit("/", 1)[1]
        about = {"@type": "CreativeWork", "name": name, "version": version}
        packed.add(ContextEntity(packed, address, about))
    packed.root_dataset["conformsTo"] = [{"@id": address} for address in PROFILES]
    with replacing(output) as temporary:
        packed.write_zip(temporary)


def _files(folder: Path, patterns: Iterable[str]) -> list[Path]:
    found = (path for pattern in patterns for path in sorted(folder.glob(pattern)))
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def _type(path: PathLike) -> dict[str, Any]:
    kind, _ = mimetypes.guess_type(path)
    return {"encodingFormat": kind} if kind else {}
