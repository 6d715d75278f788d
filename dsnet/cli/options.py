"""What the verbs share: their types, and options that are JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[argparse.Namespace], None]
Verb = Callable[[Run], argparse.ArgumentParser]


def parse_json(text: str) -> Any:
    """JSON, or that of a file after an @."""
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"expected JSON, or @FILE with it: {error}") from error
