"""The JSON schema of the experiment, for messages, the reference and editors."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from dsnet.experiment.experiment import Experiment

Node = dict[str, Any]

# Expectations for messages, if pydantic's words are less clear.
WANTED = {
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "string_too_short": "some text",
    "string_pattern_mismatch": "text like {pattern}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "model_type": "keys with values",
    "dict_type": "keys with values",
    "list_type": "a list",
    "int_type": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
}

HEAD = """# Configuration

Every key of `config.yaml` and of the overlays in `experiments/`. Written by
`python -m dsnet.experiment` from the classes of `dsnet/experiment/`; a test keeps it true.
`*` stands for a name of your own; a stream's `training` may have any key of the top-level one.

Read a configuration from elsewhere before you use it. `snakemake` runs Python code in a file that
has `__use_yte__: true`; `dsnet doctor` refuses that key. Both run the files in `plugins`.

| key | type | default | meaning |
|---|---|---|---|
"""


@functools.cache
def schema() -> Node:
    """Return the JSON schema of :class:`Experiment`, with its references replaced."""
    whole = Experiment.model_json_schema()
    definitions = whole.pop("$defs")

    def expand(node: Any) -> Any:
        if isinstance(node, list):
            return [expand(item) for item in node]
        if not isinstance(node, dict):
            return node
        target = definitions[node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else {}
        own = {key: value for key, value in node.items() if key != "$ref"}
        return {key: expand(value) for key, value in {**target, **own}.items()}

    return expand(whole)


def messages(error: ValidationError) -> Iterator[str]:
    """Yield a message for every wrong key: where it is, what was expected, what was found."""
    for found in error.errors():
        path = [str(key) for key in found["loc"] if key != "[key]"]
        yield f"{'.'.join(path) or 'top level'}: {_message(found, path)}"


def _message(found: Any, path: list[str]) -> str:
    kind, given = found["type"], found["input"]
    if kind == "extra_forbidden":
        return f"unknown key; {suggestion(path[-1], _below(path[:-1])['properties'])}"
    described = _below(path).get("description", "")
    about = f" ({described})" if described else ""
    if kind == "missing":
        return f"is missing{about}"
    if kind == "value_error":
        wanted = str(found["ctx"]["error"])
    elif kind in WANTED:
        wanted = WANTED[kind].format(**found.get("ctx", {}))
    else:
        wanted = found["msg"].removeprefix("Input should be ")
    return f"expected {wanted}, got {given!r}{about}"


def suggestion(key: str, known: Iterable[str]) -> str:
    """Return the likely one of the ``known`` keys, or all."""
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known keys: {', '.join(names)}"


def _below(path: Sequence[str]) -> Node:
    """Return the part of the schema for the key at ``path``."""
    node = schema()
    for key in path:
        below = dict(children(node))
        node = below.get(key, below.get("*", {}))
    return node


def children(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the keys below a node, ``*`` for any name or place."""
    for each in [node, *node.get("anyOf", ())]:
        yield from each.get("properties", {}).items()
        below = [each.get("additionalProperties"), each.get("items")]
        for child in [*below, *each.get("patternProperties", {}).values()]:
            if isinstance(child, dict):
                yield "*", child


def document() -> str:
    """Return the reference of all keys, as Markdown."""

    def rows(node: Node, path: str) -> Iterator[str]:
        for key, sub in children(node):
            where = f"{path}.{key}".removeprefix(".")
            default = "" if "properties" in sub else sub.get("default", "")
            default = "" if default == "" else f"`{json.dumps(default)}`"
            if sub.get("description"):
                yield f"| `{where}` | {_type(sub)} | {default} | {sub['description']} |"
            if where != "streams.*.training":
                yield from rows(sub, where)

    return HEAD + "\n".join(rows(schema(), "")) + "\n"


def _type(node: Node) -> str:
    """Return the type of a key, or its values."""
    values = node.get("enum", [node["const"]] if "const" in node else [])
    if values or "anyOf" not in node:
        return " or ".join(map(json.dumps, values)) or node.get("type", "any")
    return " or ".join(dict.fromkeys(map(_type, node["anyOf"])))
