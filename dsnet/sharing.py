"""Data that several experiments use: who uses which, with which settings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dsnet.experiment import ConfigError, Experiment
from dsnet.experiment.specs import flow_spec, frames_spec, manifest_spec
from dsnet.provenance import digest, opened, replacing

# The settings that files of frames and flow keep.
KEPT = {
    "clips.h5": lambda spec: {"frames": spec["rgb"], "flow": spec["flow"]},
    "frames/0000.h5": lambda spec: {"frames": spec},
    "flow/0000.h5": lambda spec: {"flow": spec},
}
# No settings of users; when dsnet or a plugin changes, all experiments have to follow.
UNSET = ("frames.version", "flow.version", "flow.code", "flow.weights")
DEFAULT = "the default"


def check(experiment: Experiment) -> None:
    """Raise ConfigError if this run would make data anew that another experiment uses.

    Otherwise two experiments could replace each other's frames and flow, which cost days, in turns.
    :func:`record` tells who uses what. An experiment that does not use the data yet must take
    frames and flow as they are, unless they are its own.
    """
    for dataset in experiment.datasets:
        wanted, users = _settings(experiment, dataset), _users(experiment, dataset)
        known = users.pop(_name(experiment), experiment.data == experiment.results)
        found = list(users.items()) if known else [*users.items(), *_made(experiment, dataset)]
        for what, made in found:
            if differing := _differing(made, wanted):
                raise ConfigError(
                    f"data: {Path(experiment.folder, what)} has other settings for {dataset}, "
                    f"which would have to be made again for both: {differing}; take the same, or "
                    f"set the key data to a folder of this experiment's own, as results/NAME"
                )


def record(experiment: Experiment) -> None:
    """Record in the folder ``data`` with which settings this experiment uses each data set."""
    name = _name(experiment)
    for dataset in experiment.datasets:
        settings = _settings(experiment, dataset)
        if _users(experiment, dataset).get(name) != settings:
            content = json.dumps({"results": name, "settings": settings}, indent=1)
            with replacing(_records(experiment, dataset) / f"{digest(name)}.json") as temporary:
                temporary.write_text(content + "\n", encoding="utf-8")


def _records(experiment: Experiment, dataset: str) -> Path:
    return Path(experiment.folder, dataset, "used-by")


def _name(experiment: Experiment) -> str:
    """Return the folder of the results, seen from that of the data: both may move together."""
    return os.path.relpath(experiment.results, experiment.folder)


def _users(experiment: Experiment, dataset: str) -> dict[str, dict[str, Any]]:
    """Return the settings of a data set by the results that use it and still exist."""
    found = {}
    for path in sorted(_records(experiment, dataset).glob("*.json")):
        with opened(path, "record of settings") as content:
            user = json.loads(content)
            results, settings = user["results"], user["settings"]
        if Path(experiment.folder, results).exists():
            found[results] = settings
    return found


def _made(experiment: Experiment, dataset: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the files of frames and flow, with their settings."""
    from dsnet.store import Reader, StoreError  # not needed elsewhere in planning

    for name, sections in KEPT.items():
        path = f"{dataset}/{name}"
        with suppress(StoreError, FileNotFoundError):  # the job makes a damaged file again
            yield path, _flat(sections(Reader(Path(experiment.folder, path)).spec))


def _settings(experiment: Experiment, dataset: str) -> dict[str, Any]:
    """Return the settings that a data set is made with, by their dotted keys."""
    entry = manifest_spec(experiment, dataset).entry.values()
    if entry["kind"] == "motions":
        del entry["videos"]  # follows from ``data``
    frames, flow = frames_spec(experiment).values(), flow_spec(experiment).values()
    return _flat({"catalogue": {dataset: entry}, "frames": frames, "flow": flow})


def _flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by their dotted keys."""
    found = {key: value for key, value in _leaves(sections, "") if key not in UNSET}
    if "flow" in sections:
        found["clips.stride"] = found.pop("flow.stride", 1)
    return found


def _leaves(node: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _differing(made: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Return the keys that differ, with both values; ``made`` may lack whole sections."""
    sections = {key.split(".")[0] for key in made}
    keys = [key for key in dict.fromkeys([*made, *wanted]) if key.split(".")[0] in sections]
    pairs = [(key, made.get(key, DEFAULT), wanted.get(key, DEFAULT)) for key in keys]
    return ", ".join(f"{key} {old}, here {new}" for key, old, new in pairs if old != new)
