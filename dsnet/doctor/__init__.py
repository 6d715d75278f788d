"""Checks of machine and folder: what an experiment lacks, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from dsnet.disk import PathLike
from dsnet.doctor import experiment, machine
from dsnet.doctor.finding import Check, Finding, run
from dsnet.errors import UserError
from dsnet.experiment import ConfigError, Experiment, read

__all__ = ["Finding", "ProblemsError", "examine", "show"]

OF_THE_MACHINE: dict[str, Check] = {
    **{"cores": machine.cores, "ffmpeg": machine.ffmpeg, "opencv": machine.opencv},
    **{"flow": machine.flow_backend, "gpu": machine.gpu, "locks": machine.locks},
}
OF_THE_EXPERIMENT: dict[str, Check] = {
    **{"data": experiment.data_sets, "weights": experiment.checkpoints, "disk": experiment.disk},
}
# What must be given; an installed dsnet has no config.yaml.
DEFAULT = {
    "datasets": ["motions"],
    "catalogue": {"motions": {"kind": "motions"}},
    "streams": {"rgb": {"title": "RGB", "input": "rgb"}},
}
COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


class ProblemsError(UserError):
    """An experiment that cannot run as things are."""


def examine(overlays: Sequence[PathLike] = ()) -> Iterator[Finding]:
    """Check everything for the experiment of ``config.yaml`` here and ``overlays`` over it.

    If the configuration is wrong, the machine is checked for the defaults of the settings.
    """
    config, finding = _configuration(overlays)
    yield finding
    for name, check in OF_THE_MACHINE.items():
        yield from run(name, check, config)
    for name, check in OF_THE_EXPERIMENT.items() if finding.status == "ok" else ():
        yield from run(name, check, config)


def _configuration(overlays: Sequence[PathLike]) -> tuple[Experiment, Finding]:
    """Return the configuration and a finding on it; if it is wrong, return one of defaults."""
    try:
        config = read(overlays)
    except OSError as error:
        advice = "run dsnet doctor in the folder of the Snakefile, a copy of the repository, with "
        advice += "files that are there"
        what = f"{error.filename}: {error.strerror}"
        wrong = Finding("configuration", "problem", what, advice)
    except ConfigError as error:
        wrong = Finding("configuration", "problem", str(error), "see docs/config.md")
    else:
        names = ", ".join(map(str, ("config.yaml", *overlays)))
        return config, Finding("configuration", "ok", names)
    return Experiment.model_validate(DEFAULT), wrong


def show(findings: Iterable[Finding]) -> None:
    """Print findings one by one; raise ProblemsError at the end if one is a problem."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # In a file, a finding is one line of any length, for searching.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 10_000)
    problems = 0
    for finding in findings:
        problems += finding.status == "problem"
        row = Table.grid(padding=(0, 2))
        for width in (7, 15, None):
            row.add_column(width=width, overflow="fold")
        status = Text(finding.status, COLOURS[finding.status])
        row.add_row(status, Text(finding.check), Text(finding.found))
        if finding.advice:
            row.add_row("", "", Text(f"to do: {finding.advice}", "italic"))
        console.print(row)
    if problems:
        raise ProblemsError(f"{problems} problem{'s' * (problems > 1)}, named above")
