"""From a template and values to one file of HTML that needs no other."""

from __future__ import annotations

import os
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from dsnet.provenance import replacing


def number(value: float, digits: int = 1) -> str:
    """With so many decimals and thousands apart; a dash for what is not known."""
    return f"{value:,.{digits}f}" if value == value else "—"


def duration(seconds: float) -> str:
    """``1 h 02 min``, ``3 min 20 s`` or ``4.2 s``; a dash for what is not known."""
    if seconds != seconds:
        return "—"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def write(template: str, output: str | os.PathLike[str], **values: Any) -> None:
    """Fill a template of ``dsnet/pages/templates`` and write it; every value is escaped.

    The file appears under its name only when complete.

    Raises:
        jinja2.UndefinedError: the template asks for a value that is not given.
    """
    environment = Environment(
        loader=PackageLoader("dsnet.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, duration=duration)
    text = environment.get_template(template).render(**values)
    with replacing(output) as temporary:
        # A path that is no UTF-8, of a video, is shown with marks for what it cannot say.
        temporary.write_text(text + "\n", encoding="utf-8", errors="replace")
