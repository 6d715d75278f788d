"""How Sphinx builds the site: ``make docs``, strictly, into build/docs."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
metadata = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = metadata["name"]
release = version = metadata["version"]
author = "The dsnet authors"
project_copyright = f"2026, {author}"

extensions = [
    "layers",
    "offline",
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_ext", "_static"]

# The pages are written for GitHub too: anchors of headings as there.
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_rtype = False  # "Returns" gives shapes, which are no types

html_theme = "furo"
html_title = f"dsnet {version}"
html_static_path = ["_static"]
html_css_files = ["dsnet.css"]
html_copy_source = False
html_show_sphinx = False
