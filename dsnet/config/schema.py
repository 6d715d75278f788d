"""The schema of the configuration: read, held against what is given, its defaults filled in."""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema
import yaml

Config = dict[str, Any]


def load_schema(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a YAML schema and put its ``$ref``s to ``$defs`` in place."""
    with open(path, encoding="utf-8") as stream:
        schema = yaml.safe_load(stream)
    definitions = schema.pop("$defs", {})

    def expand(node: Any) -> Any:
        if isinstance(node, list):
            return [expand(item) for item in node]
        if not isinstance(node, dict):
            return node
        target = definitions[node["$ref"].removeprefix("#/$defs/")] if "$ref" in node else {}
        own = {key: value for key, value in node.items() if key != "$ref"}
        return {key: expand(value) for key, value in {**target, **own}.items()}

    return expand(schema)


def schema_errors(config: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """A message for every wrong key: where it is, what was expected, what was found."""
    validator = jsonschema.Draft202012Validator(schema)
    for error in sorted(validator.iter_errors(config), key=lambda e: [str(p) for p in e.path]):
        path = ".".join(str(p) for p in error.absolute_path)
        if error.validator == "additionalProperties":
            known = list(error.schema["properties"])
            for key in sorted(set(error.instance) - set(known), key=str):
                where = f"{path}.{key}" if path else str(key)
                yield f"{where}: unknown key; {suggestion(str(key), known)}"
        elif error.validator == "required":
            yield f"{path or 'top level'}: {error.message}"
        else:
            about = error.schema.get("description", "")
            yield f"{path}: expected {_expected(error)}, got {error.instance!r}" + (
                f" ({about})" if about else ""
            )


def suggestion(key: str, known: Iterable[str]) -> str:
    """Tell which of the ``known`` keys may have been meant."""
    names = list(known)
    close = difflib.get_close_matches(key, names, n=1)
    return f"did you mean {close[0]}?" if close else f"known keys: {', '.join(names)}"


def _expected(error: jsonschema.ValidationError) -> str:
    """What would have been right, in words."""
    bound: Any = error.validator_value
    words = {
        "type": lambda: " or ".join(bound) if isinstance(bound, list) else f"{bound}",
        "enum": lambda: "one of " + ", ".join(map(str, bound)),
        "minimum": lambda: f"at least {bound}",
        "exclusiveMinimum": lambda: f"more than {bound}",
        "maximum": lambda: f"at most {bound}",
        "exclusiveMaximum": lambda: f"less than {bound}",
        "minItems": lambda: f"at least {bound} entries",
        "maxItems": lambda: f"at most {bound} entries",
        "uniqueItems": lambda: "entries that differ",
        "minProperties": lambda: f"at least {bound} entries",
        "minLength": lambda: "some text",
        "pattern": lambda: f"text like {bound}",
    }
    return words[error.validator]() if error.validator in words else error.message


def fill(value: Any, schema: Mapping[str, Any]) -> None:
    """Put the schema's defaults into ``value``, in place, except below ``x-partial``."""
    if schema.get("x-partial"):
        return
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key, sub in properties.items():
            if "default" in sub:
                value.setdefault(key, copy.deepcopy(sub["default"]))
        for key, item in value.items():
            sub = properties.get(key, schema.get("additionalProperties"))
            if isinstance(sub, Mapping):
                fill(item, sub)
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            fill(item, schema["items"])
