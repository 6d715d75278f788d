"""Pages from templates: one HTML file that needs no other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dsnet.provenance import replacing


def write(template: str, output: Path, **values: Any) -> None:
    """Fill a template of ``dsnet/pages/templates`` and write it; every value is escaped.

    The file appears when it is complete. Raises jinja2.UndefinedError for a value that is not
    given.
    """
    environment = Environment(
        loader=PackageLoader("dsnet.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(**values)
    with replacing(output) as temporary:
        # A video's path may not be UTF-8; then some characters are replaced.
        temporary.write_text(text + "\n", encoding="utf-8", errors="replace")
