"""Pages to read in a browser: they need no other file and are light or dark as the reader is."""

from dsnet.pages.classes import classes_page
from dsnet.pages.provenance import provenance_page

__all__ = ["classes_page", "provenance_page"]
