"""From a configuration as written to one that is checked and says everything."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from dsnet.config.contradictions import contradictions
from dsnet.config.plugins import use_plugins
from dsnet.config.schema import Config, fill, schema_errors
from dsnet.config.streams import named_results
from dsnet.errors import UserError


class ConfigError(UserError):
    """A configuration that cannot be run; the message names each key and what was expected."""


def resolve(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Config:
    """Check ``config``, fill in the defaults and merge every stream's own ``training``.

    What a result in ``tables`` is fused with becomes a list, empty for a single stream.

    Raises:
        ConfigError: naming every wrong key, its value and what was expected.
    """
    filled: Config = copy.deepcopy(dict(config))
    _raise_all(schema_errors(filled, schema))
    fill(filled, schema)
    filled["data"] = filled["data"] or filled["results"]
    filled["streams"] = {k: v for k, v in filled["streams"].items() if v is not None}
    for stream in filled["streams"].values():
        stream["losses"] = {k: v for k, v in stream["losses"].items() if v is not None}
        stream["training"] = {**filled["training"], **stream["training"]}
    for name, entry in filled["catalogue"].items():
        entry["title"] = entry["title"] or name
        if entry["kind"] == "motions":
            entry["videos"] = f"{filled['data']}/{name}/videos"
    _raise_all(use_plugins(filled))
    for _, row in named_results(filled):
        row["fuse"] = [row["fuse"]] if isinstance(row["fuse"], str) else row["fuse"] or []
    _raise_all(contradictions(filled))
    return filled


def _raise_all(errors: Iterator[str]) -> None:
    found = list(errors)
    if found:
        raise ConfigError("the configuration is wrong:\n  " + "\n  ".join(found))
