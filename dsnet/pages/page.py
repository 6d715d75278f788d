"""Pages from templates: one HTML file that needs no other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dsnet.provenance import replacing


def render(template: str, **values: Any) -> str:
    """Fill a template of ``dsnet/pages/templates``; every value is escaped.

    Raises jinja2.UndefinedError for a value that is not given.
    """
    environment = Environment(
        loader=PackageLoader("dsnet.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def write(template: str, output: Path, **values: Any) -> None:
    """Write a page of :func:`render`; the file appears when it is complete."""
    text = render(template, **values)
    with replacing(output) as temporary:
        # A video's path may not be UTF-8; then some characters are replaced.
        temporary.write_text(text + "\n", encoding="utf-8", errors="replace")
