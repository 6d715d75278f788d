"""What a check found: ``$OUT/results.json``, one object to which every part adds at once.

{part: {name: value}}; "parts" has the exit status, the seconds and the limit of each part.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

OUT = Path(os.environ.get("OUT", "build/gpu/out")).absolute()
DATA = Path(os.environ.get("GPU_DATA", "build/gpu/data")).absolute()
TINY = bool(os.environ.get("TINY"))  # everything small, on a CPU
PART = "none"  # that runs in this process


def read() -> dict[str, Any]:
    """Read all results so far."""
    path = OUT / "results.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def put(name: str, value: Any, part: str | None = None) -> None:
    """Add a result to a part, this one by default."""
    found = read()
    found.setdefault(part or PART, {})[name] = value
    _write(found)


def forget(parts: Collection[str]) -> None:
    """Remove the results of parts, such as those of an earlier check."""
    _write({part: values for part, values in read().items() if part not in parts})


def _write(found: dict[str, Any]) -> None:
    partial = OUT / "results.json.new"
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(OUT / "results.json")


def attempt(name: str, run: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Add the result of a call, or its error; return the result, or None."""
    print(f"--- {name}", flush=True)
    start, value = time.perf_counter(), None
    try:
        value = run(*arguments, **options)
        put(name, value)
    except Exception as error:  # a first time on a GPU may raise anything
        traceback.print_exc()
        put(name, {"error": f"{type(error).__name__}: {error}"[:500]})
    print(f"--- {name}: {time.perf_counter() - start:.1f} s, {value}", flush=True)
    return value


def errors(part: str) -> dict[str, str]:
    """Return the errors of a part by name."""
    values = read().get(part, {}).items()
    return {name: v["error"] for name, v in values if isinstance(v, dict) and "error" in v}
