"""The reference of all keys, from the schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

HEAD = """# Configuration

Every key of `config.yaml` and of the overlays in `experiments/`, from
`workflow/schemas/config.schema.yaml`. Written by `python -m dsnet.config`; a test keeps it true.
`*` stands for a name of your own; a stream's `training` may have any key of the top-level one.

| key | type | default | meaning |
|---|---|---|---|
"""


def document(schema: Mapping[str, Any]) -> str:
    """The reference of all keys, as Markdown."""

    def rows(node: Mapping[str, Any], path: str) -> Iterator[str]:
        for key, sub in _children(node):
            where = f"{path}.{key}".removeprefix(".")
            default = f"`{json.dumps(sub['default'])}`" if "default" in sub else ""
            kind = " or ".join(json.dumps(v) for v in sub["enum"]) if "enum" in sub else sub["type"]
            kind = " or ".join(kind) if isinstance(kind, list) else kind
            if sub.get("description"):
                yield f"| `{where}` | {kind} | {default} | {sub['description']} |"
            if not sub.get("x-partial"):
                yield from rows(sub, where)

    return HEAD + "\n".join(rows(schema, "")) + "\n"


def _children(node: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from node.get("properties", {}).items()
    for key in ("additionalProperties", "items"):
        if isinstance(node.get(key), Mapping):
            yield "*", node[key]
