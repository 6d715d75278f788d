"""A site that loads nothing from elsewhere: every page that would is a warning."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


class _Resources(HTMLParser):
    """Addresses that a browser fetches by itself to show a page; links to follow are none."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(dict(attrs).get(LOADS.get(tag, "")) or "")


def foreign(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every page below ``folder`` with every address on another host that it loads."""
    for page in sorted(folder.rglob("*.html")):
        parser = _Resources()
        parser.feed(page.read_text(encoding="utf-8"))
        yield from ((page, url) for url in parser.found if url.startswith(("http", "//")))


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        for page, url in foreign(Path(app.outdir)):
            log.warning("%s loads %s, which is not part of the site", page, url)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("build-finished", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
