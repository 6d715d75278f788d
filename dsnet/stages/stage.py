"""A stage: a rule of the workflow, a verb of the command line, and the function that runs it.

A stage is declared once, by a decorated function. Its parameters are the options of the verb, with
their places in the rule. Their types say how to read them.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from dsnet.experiment import Experiment
from dsnet.experiment.settings import Settings
from dsnet.provenance import PACKAGE, canonical, code_digest, digest, file_digest
from dsnet.stages.code import NUMBERS, SHOWN

# Wildcards of a job of a rule.
Wildcards = Any
Function = Callable[..., None]
Code = Callable[[Experiment, Wildcards], Iterable[str]]


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


# Files that a stage reads or writes: one or several. An input of the kind Maybe may be missing.
Input = Annotated[Path, "{{input.{name}:q}}"]
Inputs = Annotated[list[Path], "{{input.{name}:q}}"]
MaybeInputs = Annotated[list[Path] | None, "{{input.{name}:q}}"]
MaybeInput = Annotated[Path | None, "{{input.{name}:q}}"]
Output = Annotated[Path, "{{output.{name}:q}}"]
Outputs = Annotated[list[Path], "{{output.{name}:q}}"]
# Where and with how many helpers to compute. These are resources: they change no result.
Device = Annotated[str, "{{resources.device}}", "auto, cpu, cuda or cuda:N"]
Threads = Annotated[int, "{{resources.arithmetic}}", "CPU threads of the arithmetic", positive]
Workers = Annotated[int, "{{resources.workers}}", "processes that prepare clips"]
Processes = Annotated[int, "{{resources.processes}}", "more than one: with torchrun", positive]
Gpus = Annotated[int, "{{resources.gpu}}", "GPUs to lease, so that no other job uses them"]
Jobs = Annotated[int, "{{threads}}", "videos at a time", positive]


class Parameter(NamedTuple):
    """A parameter of a stage."""

    name: str
    kind: Any
    optional: bool
    default: Any
    place: str
    help: str
    read: Callable[[str], Any] | None

    @property
    def is_output(self) -> bool:
        return self.name == "output" or self.place.startswith("{output.")


@dataclass(frozen=True)
class Stage:
    """A declared stage.

    Args:
        function: runs it; its name is the rule's and the verb's.
        make_spec: makes its spec, for the wildcards of a job.
        modules: returns the modules that determine its output, for the wildcards of a job.
        files: patterns of files of the package that determine its output too.
        has_code: whether its code counts; otherwise versions replace it.
        version: of the format of its output.
    """

    function: Function
    make_spec: Callable[[Experiment, Wildcards], Settings] | None
    modules: Code
    files: tuple[str, ...]
    has_code: bool = False
    version: int | None = None

    @property
    def name(self) -> str:
        return self.function.__name__

    def parameters(self) -> list[Parameter]:
        """List the parameters of the function."""
        hints = get_type_hints(self.function, include_extras=True)
        found = []
        for name, parameter in inspect.signature(self.function).parameters.items():
            hint = hints[name]
            kind, *notes = get_args(hint) if get_origin(hint) is Annotated else [hint]
            is_spec = inspect.isclass(kind) and issubclass(kind, Settings)
            place = notes[0] if notes else "{{params.{name}:q}}" if is_spec else "{{params.{name}}}"
            if name == "output":  # all outputs of the rule
                place = place.replace("output.{name}", "output")
            found.append(
                Parameter(
                    name,
                    kind,
                    parameter.default is not parameter.empty or type(None) in get_args(kind),
                    None if parameter.default is parameter.empty else parameter.default,
                    place.format(name=name),
                    notes[1] if len(notes) > 1 else "",
                    notes[2] if len(notes) > 2 else None,
                )
            )
        return found

    def command(self, verb: str | None = None) -> str:
        """Make the shell command of the rule; several rules may share a ``verb``."""
        options = "".join(f" --{option(each.name)} {each.place}" for each in self.parameters())
        return f"python -m dsnet {verb or self.name}{options} 2> {{log:q}}"

    def spec(self, experiment: Experiment, wildcards: Wildcards = None) -> str:
        """Make its spec, as JSON."""
        assert self.make_spec is not None
        return canonical(self.make_spec(experiment, wildcards).values())

    def digest(self, modules: Iterable[str], package: Path = PACKAGE) -> str:
        """Compute a digest of the code of ``modules``, see :attr:`modules`, and of its files."""
        code = code_digest(modules, (*NUMBERS, *SHOWN), package)
        files = [path for pattern in self.files for path in sorted(package.glob(pattern))]
        return digest([code, *map(file_digest, files)]) if files else code


STAGES: dict[str, Stage] = {}


def stage(
    spec: Callable[[Experiment, Wildcards], Settings] | None = None,
    code: Iterable[str] | Code = (),
    files: Iterable[str] = (),
    version: int | None = None,
) -> Callable[[Function], Function]:
    """Declare the decorated function as a stage; see :class:`Stage`."""

    def declare(function: Function) -> Function:
        modules = code if callable(code) else lambda experiment, wildcards: code
        STAGES[function.__name__] = Stage(
            function, spec, modules, tuple(files), bool(code), version
        )
        return function

    return declare


def option(name: str) -> str:
    """Return the option of a parameter: underscores become hyphens."""
    return name.replace("_", "-")
