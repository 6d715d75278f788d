"""From a configuration as written to an experiment that is checked and complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from dsnet.errors import UserError
from dsnet.experiment.contradictions import contradictions
from dsnet.experiment.experiment import Experiment
from dsnet.experiment.networks import Stream, Training
from dsnet.experiment.schema import messages


class ConfigError(UserError):
    """A configuration that cannot be run; the message names each key and what was expected."""


def load(config: Mapping[str, Any]) -> Experiment:
    """Check a configuration, fill in its defaults, and complete each stream's ``training``.

    Raises:
        ConfigError: naming every wrong key, its value and what was expected.
    """
    try:
        experiment = Experiment.model_validate(config)
    except ValidationError as error:
        raise _wrong(messages(error)) from None
    experiment = _completed(experiment)
    if found := list(contradictions(experiment)):
        raise _wrong(found)
    return experiment


def _completed(experiment: Experiment) -> Experiment:
    """Fill in what depends on other keys."""
    streams = {
        name: stream.model_copy(update={"training": _merged(experiment.training, stream)})
        for name, stream in experiment.streams.items()
    }
    catalogue = {}
    for name, entry in experiment.catalogue.items():
        videos = f"{experiment.folder}/{name}/videos" if entry.kind == "motions" else entry.videos
        update = {"title": entry.title or name, "videos": videos}
        catalogue[name] = entry.model_copy(update=update)
    return experiment.model_copy(
        update={"data": experiment.folder, "streams": streams, "catalogue": catalogue}
    )


def _merged(shared: Training, stream: Stream) -> Training:
    """Put what a stream's own ``training`` says over the top-level one."""
    own = stream.training
    return shared.model_copy(update={key: getattr(own, key) for key in own.model_fields_set})


def _wrong(errors: Iterable[str]) -> ConfigError:
    return ConfigError("the configuration is wrong:\n  " + "\n  ".join(errors))
