"""Loading of a configuration: an experiment that is checked and complete."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from dsnet import registry
from dsnet.disk import PathLike
from dsnet.errors import UserError
from dsnet.experiment.contradictions import contradictions
from dsnet.experiment.data import Entry, Flow
from dsnet.experiment.experiment import Experiment
from dsnet.experiment.networks import LEAST_STEPS, Model, Stream, Training
from dsnet.experiment.schema import messages, suggestion
from dsnet.experiment.streams import following

log = logging.getLogger(__name__)
S = TypeVar("S", Model, Flow, Entry)
LARGEST = 2**63 - 1  # of whole numbers in NumPy and PyTorch


class ConfigError(UserError):
    """A configuration that cannot be run; the message has each key and what was expected."""


def load(config: Mapping[str, Any]) -> Experiment:
    """Check a configuration, fill in its defaults, and complete each stream's ``training``.

    Tables follow the streams (:func:`dsnet.experiment.streams.following`).

    Raises ConfigError with every wrong key, its value and what was expected.
    """
    if impossible := list(_impossible(config, [])):
        raise _wrong(impossible)
    try:
        experiment = Experiment.model_validate(config)
    except ValidationError as error:
        raise _wrong(messages(error)) from None
    left_out = {name for name, value in config["streams"].items() if value is None}
    followed = following(experiment, left_out)
    if followed.tables != experiment.tables:
        names = ", ".join(sorted(left_out))
        log.warning("tables: rows of streams that are null are left out (%s)", names)
    experiment, unknown = _with_plugins(_completed(followed))
    if unknown:
        raise _wrong(unknown)
    if found := list(contradictions(experiment)):
        raise _wrong(found)
    return experiment


def read(overlays: Sequence[PathLike] = ()) -> Experiment:
    """Load ``config.yaml`` of this folder with ``overlays`` over it, merged as Snakemake does.

    Raises ConfigError or OSError.
    """
    from snakemake.utils import update_config  # a job does without it

    merged: dict[str, Any] = {}
    for path in ("config.yaml", *overlays):
        check_keys(path)
        try:
            with open(path, "rb") as file:  # a file object, since yaml's errors name it
                content = yaml.safe_load(file)
            if not isinstance(content, dict):
                raise ConfigError(f"{path}: expected keys with values, got {content!r}")
            update_config(merged, content)
        except yaml.YAMLError as error:  # it names the file
            raise ConfigError(str(error)) from None
        except RecursionError:
            raise ConfigError(
                f"{path}: a value contains itself; write it out, without the anchor (&)"
            ) from None
    return load(merged)


def check_keys(path: PathLike) -> None:
    """Raise ConfigError for a key that is twice in a mapping of a file: YAML keeps only the last.

    A file that cannot be read as YAML is left to whoever loads it.
    """
    waiting: list[Any] = []
    with suppress(yaml.YAMLError, RecursionError), open(path, "rb") as file:
        waiting.append(yaml.compose(file, yaml.SafeLoader))
    seen: dict[int, Any] = {}  # an anchor leads to the same node again
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen[id(node)] = node
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            first: dict[str, yaml.ScalarNode] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode) or key.value == "<<":  # all of these count
                    continue
                if (other := first.setdefault(key.value, key)) is not key:
                    before, line = other.start_mark.line + 1, key.start_mark.line + 1
                    raise ConfigError(
                        f"{os.fspath(path)}: line {line}: {key.value} is in line {before} already, "
                        f"and only the last one would count; join them"
                    )


def _impossible(value: Any, path: list[str], above: tuple[Any, ...] = ()) -> Iterator[str]:
    """Yield a message for every value, of any key, that nothing can be computed with."""
    where = ".".join(path)
    if isinstance(value, Mapping | list):
        if any(value is each for each in above):
            yield f"{where}: contains itself; look at the anchors (&) of the file"
            return
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, below in pairs:
            yield from _impossible(below, [*path, str(key)], (*above, value))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: expected a finite number, got {value}"
    elif isinstance(value, int) and abs(value) > LARGEST:
        yield f"{where}: expected at most 2^63 - 1, got a number of {len(str(value))} digits"


def _completed(experiment: Experiment) -> Experiment:
    """Fill in settings that depend on other keys."""
    training = experiment.training.model_copy(update={"least_steps": _least_steps(experiment)})
    streams = {
        name: stream.model_copy(update={"training": _merged(training, stream)})
        for name, stream in experiment.streams.items()
    }
    catalogue = {}
    for name, entry in experiment.catalogue.items():
        videos = f"{experiment.folder}/{name}/videos" if entry.kind == "motions" else entry.videos
        update = {"title": entry.title or name, "videos": videos}
        catalogue[name] = entry.model_copy(update=update)
    return experiment.model_copy(
        update={
            "data": experiment.folder,
            "training": training,
            "streams": streams,
            "catalogue": catalogue,
        }
    )


def _with_plugins(experiment: Experiment) -> tuple[Experiment, list[str]]:
    """Replace names of a user's classes by their places; return unknown names too."""
    unknown: list[str] = []

    def placed(where: str, settings: S, key: str, kind: str) -> S:
        own: dict[str, str] = getattr(registry, kind)
        name, known = getattr(settings, key), registry.places(kind, own, experiment.plugins)
        if name not in known:
            unknown.append(f"{where}.{key}: unknown name {name!r}; {suggestion(name, known)}")
        elif name not in own:
            return settings.model_copy(update={key: known[name]})
        elif settings.options:
            unknown.append(
                f"{where}.options: {name} is no class of plugins; it has keys of its own"
            )
        return settings

    update = {
        "model": placed("model", experiment.model, "backbone", "BACKBONES"),
        "flow": placed("flow", experiment.flow, "algorithm", "FLOWS"),
        "catalogue": {
            name: placed(f"catalogue.{name}", entry, "kind", "DATASETS")
            for name, entry in experiment.catalogue.items()
        },
    }
    return experiment.model_copy(update=update), unknown


def _merged(shared: Training, stream: Stream) -> Training:
    """Put a stream's own ``training`` over the top-level one."""
    own = stream.training
    update = {key: getattr(own, key) for key in own.model_fields_set}
    if own.least_steps is None:
        least, epochs = shared.least_steps or 0, update.get("epochs", shared.epochs)
        # In proportion, rounded up.
        update["least_steps"] = -(-least * epochs // shared.epochs) if shared.epochs else least
    return shared.model_copy(update=update)


def _least_steps(experiment: Experiment) -> int:
    """Return the least steps of a stream that has the top-level epochs."""
    if (chosen := experiment.training.least_steps) is not None:
        return chosen
    known = experiment.catalogue
    kinds = {known[name].kind for name in experiment.datasets if name in known}
    return LEAST_STEPS if kinds == {"folder"} else 0


def _wrong(errors: Iterable[str]) -> ConfigError:
    return ConfigError("the configuration is wrong:\n  " + "\n  ".join(errors))
