"""The GPU tables of docs/performance.md, from the results of checks in docs/gpu/.

    python -m gpu.tables [RESULTS.json ...]

Copies the files that are named to docs/gpu/, and writes the tables of all that are there.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[2] / "docs"
BEGIN, END = "<!-- made by benchmarks/gpu/tables.py -->\n", "<!-- made until here -->\n"
NOTHING = "Nothing was run on a GPU yet.\n"
Results = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Write the tables."""
    (DOCS / "gpu").mkdir(exist_ok=True)
    for path in sys.argv[1:]:
        shutil.copy(path, DOCS / "gpu" / name_of(json.loads(Path(path).read_text("utf-8"))))
    page = DOCS / "performance.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8"), DOCS / "gpu"), encoding="utf-8")


def name_of(results: Results) -> str:
    """Return the name that a check's results get, of its GPU and its date."""
    machine = results["about"]["machine"]
    return re.sub(r"\W+", "-", f"{machine['gpu']} {machine['machine'][:10]}".lower()) + ".json"


def with_tables(page: str, folder: Path) -> str:
    """Return the page with the tables of all files of a folder between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    files = {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))
    }
    made = "\n".join(tables(name, results) for name, results in files.items())
    return f"{before}{BEGIN}\n{made or NOTHING}\n{END}{after}"


def tables(name: str, results: Results) -> str:
    """Return everything of one check that is worth a table, in Markdown."""
    about = results.get("about", {})
    machine, ceilings = about.get("machine", {}), dict(_numbers(about.get("ceilings", {})))
    given = "; ".join(f"{value} {what}" for what, value in ceilings.items())
    head = f"### {machine.get('gpu', name)}\n\n`docs/gpu/{name}.json`, commit "
    head += f"{machine.get('commit', 'unknown')[:7]}: {machine.get('machine', 'unknown machine')}"
    return "\n\n".join([f"{head}; {given}.", *filter(None, _blocks(results))]) + "\n"


def _blocks(results: Results) -> Iterable[str]:
    yield _table(
        ("part", "s", "exit", "errors"),
        (
            (part, _number(s, "seconds"), s["exit"], "; ".join(_errors(results.get(part, {}))))
            for part, s in results.get("parts", {}).items()
        ),
    )
    jobs = results.get("jpeg", {})
    yield _table(
        ("TV-L1", "pairs per second", "equal 8-bit values, %", "largest difference, px", "job"),
        (
            (
                backend,
                _number(v, "pairs_per_s"),
                _number(v, "equal_8bit", 100),
                _number(v, "max_px"),
                _number(jobs.get(backend, {}), "pairs_per_s"),
            )
            for backend, v in _sound(results.get("flow", {}))
        ),
    )
    yield _table(
        ("DS step", "ms", "clips per second", "TFLOP/s", "first step, s", "GiB"),
        (
            (
                case,
                *(_number(v, key) for key in ("ms", "clips_per_s")),
                _number(v, "operations_per_s", 1e-12),
                *(_number(v, key) for key in ("first_s", "peak_GiB")),
            )
            for part in ("steps", "compiled")
            for case, v in _sound(results.get(part, {}))
        ),
    )
    yield _table(
        ("convolutions", "fastest form", "all forms"),
        (
            (f"{shape}, {how}", *line.rstrip(")").split(" (", 1))
            for how, lines in results.get("groups", {}).items()
            if isinstance(lines, list)
            for shape, line in (line.split(": ", 1) for line in lines)
        ),
    )
    yield _table(
        ("profile", "operation", "ms", "calls"),
        (
            (how, f"`{operation}`", f"{microseconds / 1e3:.3g}", calls)
            for how, found in _sound(results.get("profile", {}))
            for operation, (microseconds, calls) in found.items()
        ),
    )
    train = results.get("train", {})
    yield _table(
        ("stream", "epochs", "s per epoch", "best selection top-1, %", "test top-1, %"),
        (
            (
                stream,
                *(_number(train[stream], k) for k in ("epochs", "seconds_per_epoch")),
                _number(train[stream], "best_val_top1"),
                _number(train.get(f"scores of {stream}", {}), "video_top1"),
            )
            for stream, _ in _sound(train)
            if not stream.startswith("scores")
        ),
    )


def _table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    """Return a table, or nothing without rows."""
    lines = [header, ("---",) * len(header), *rows]
    if len(lines) == 2:
        return ""
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _sound(values: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return ((name, v) for name, v in values.items() if isinstance(v, dict) and "error" not in v)


def _errors(values: Mapping[str, Any]) -> Iterable[str]:
    return (f"{n}: {v['error']}" for n, v in values.items() if isinstance(v, dict) and "error" in v)


def _numbers(values: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return ((name, f"{v:.3g}") for name, v in values.items() if isinstance(v, float))


def _number(values: Mapping[str, Any], key: str, times: float = 1) -> str:
    """Format a number with three digits, or more if it has more before the point."""
    if key not in values:
        return ""
    value = times * values[key]
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
