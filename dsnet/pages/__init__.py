"""Pages for a browser: they need no other file, and follow the reader's light or dark mode."""

from dsnet.pages.classes import classes_page
from dsnet.pages.provenance import provenance_page
from dsnet.pages.summary import summary_page

__all__ = ["classes_page", "provenance_page", "summary_page"]
