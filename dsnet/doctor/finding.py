"""Findings of checks, and the format of sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from dsnet.experiment import Experiment

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """Result of a check: name, status, what was found, and what to do, if anything."""

    check: str
    status: Status
    found: str
    advice: str = ""


# A check yields findings about one subject, for a resolved configuration.
Check = Callable[[Experiment], Iterator[Finding]]


def run(name: str, check: Check, experiment: Experiment) -> Iterator[Finding]:
    """Run a check; a check that fails itself gives a finding, and the other checks go on."""
    try:
        yield from check(experiment)
    except Exception as error:
        yield Finding(
            name,
            "problem",
            f"the check failed itself: {type(error).__name__}: {error}",
            "if this says nothing to you, it is a fault of dsnet",
        )


def size(count: float) -> str:
    """Format bytes in powers of a thousand, with at least two digits: ``58 GB``, ``5.8 GB``."""
    units = ["B", "kB", "MB", "GB", "TB"]
    while count >= 999.5 and len(units) > 1:
        count /= 1000
        units.pop(0)
    digits = 1 if count < 9.95 and units[0] != "B" else 0
    return f"{count:.{digits}f} {units[0]}"
