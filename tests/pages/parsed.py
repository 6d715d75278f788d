"""A page as a browser would see it: every tag closed, its tables, texts, images and addresses."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}


class Page(HTMLParser):
    """What a page shows.

    Attributes: ``text``, ``tags`` (name and attributes), ``tables`` (rows of cells), and ``small``,
    what is written small, of which the cells have nothing.
    """

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.small: list[str] = []
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert self._open == []

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, attrs)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if "small" in self._open:
            self.small.append(data)
        elif "td" in self._open or "th" in self._open:
            self.tables[-1][-1][-1] += data

    def cells(self, table: int) -> list[list[str]]:
        """The rows of a table, with single spaces."""
        return [[" ".join(cell.split()) for cell in row] for row in self.tables[table]]

    def assert_whole_in_itself(self) -> None:
        """Nothing is fetched: every address is a place in the page or the bytes themselves."""
        for _, attributes in self.tags:
            for name in ("src", "href", "srcset", "action", "poster"):
                address = attributes.get(name, "#")
                assert address.startswith(("#", "data:image/")), address[:80]
                if address.startswith("#") and len(address) > 1:
                    assert any(a.get("id") == address[1:] for _, a in self.tags), address
        assert "url(" not in self.source
        assert "@import" not in self.source
        assert not any(tag in ("script", "link", "iframe", "object") for tag, _ in self.tags)
