"""The verbs of the workflow, made from the declared stages."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from dsnet.cli.options import parse_json
from dsnet.experiment.settings import Settings
from dsnet.stages.stage import Parameter, Stage, option


def add(verbs: Any, stage: Stage) -> None:
    """Add the verb of a stage to the command line."""
    sub = verbs.add_parser(stage.name, description=stage.function.__doc__)
    parameters = stage.parameters()
    for parameter in parameters:
        _add(sub, parameter)

    def run(options: argparse.Namespace) -> None:
        stage.function(**{each.name: getattr(options, each.name) for each in parameters})

    made = next(each.name for each in parameters if each.is_output)
    sub.set_defaults(run=run, made=made)


def _add(sub: argparse.ArgumentParser, parameter: Parameter) -> None:
    kind, more = parameter.kind, {}
    if maybe := type(None) in get_args(kind):
        kind, more = get_args(kind)[0], {"nargs": "?"}
    if get_origin(kind) is list:
        kind, more = get_args(kind)[0], {"nargs": "*" if maybe else "+"}
    sub.add_argument(
        f"--{option(parameter.name)}",
        type=parameter.read or _reader(kind),
        required=not parameter.optional,
        default=parameter.default,
        help=parameter.help or ("JSON, or @FILE" if parameter.name == "spec" else None),
        **more,
    )


def _reader(kind: Any) -> Callable[[str], Any]:
    """Return the function that reads a value of one kind."""
    if issubclass(kind, Settings):
        return lambda text: _settings(kind, text)
    return kind


def _settings(kind: type[Settings], text: str) -> Settings:
    try:
        return kind.model_validate(parse_json(text))
    except ValidationError as error:
        raise argparse.ArgumentTypeError(f"expected a {kind.__name__}: {error}") from error
