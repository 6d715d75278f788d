"""Pages to read in a browser: whole in themselves, escaped, light or dark as the reader has it."""

from dsnet.pages.classes import classes_page
from dsnet.pages.provenance import provenance_page

__all__ = ["classes_page", "provenance_page"]
