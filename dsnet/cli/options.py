"""Types and JSON options that the verbs share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[argparse.Namespace], None]
Verb = Callable[[Run], argparse.ArgumentParser]


def parse_json(text: str) -> Any:
    """Parse JSON, or a file with JSON after an @."""
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"expected JSON, or @FILE with it: {error}") from error
