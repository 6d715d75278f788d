"""The directive ``layers``: rows of modules, drawn as boxes.

Its content is YAML, a row's name to the names of its modules, which reads as it is where the page
is not built (and which tests/test_architecture.py holds to the imports).
"""

from __future__ import annotations

from html import escape
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Layers(SphinxDirective):
    """Draw the rows from top to bottom, each row's modules from left to right."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """The drawing, as HTML alone: it is text, so readers and search find it."""
        try:
            rows = yaml.safe_load("\n".join(self.content))
            drawing = "".join(_row(name, modules) for name, modules in rows.items())
        except (yaml.YAMLError, AttributeError, TypeError) as error:
            raise self.error(f"layers needs lines 'row: [module, module]': {error}") from error
        return [nodes.raw("", f'<div class="layers">{drawing}</div>', format="html")]


def _row(name: str, modules: list[str]) -> str:
    boxes = "".join(f"<code>{escape(module)}</code>" for module in modules)
    return f'<div class="layer"><span>{escape(name)}</span><div>{boxes}</div></div>'


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("layers", Layers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
