"""What the verbs share: the type of a verb's adder, and options that several have."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[argparse.Namespace], None]
Verb = Callable[[Run], argparse.ArgumentParser]


def paths(sub: argparse.ArgumentParser, *names: str, **more: Any) -> None:
    """Required options that take paths."""
    for name in names:
        sub.add_argument(f"--{name}", type=Path, required=True, **more)


def spec(sub: argparse.ArgumentParser, what: str) -> None:
    """The settings, as JSON."""
    sub.add_argument("--spec", type=parse_json, required=True, help=f"JSON, or @FILE: {what}")


def max_broken(sub: argparse.ArgumentParser) -> None:
    """How much may be unusable."""
    sub.add_argument("--max-broken", type=float, default=0.01, help="share that may be unusable")


def compute(sub: argparse.ArgumentParser) -> None:
    """Where and with how many helpers to compute."""
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    sub.add_argument("--threads", type=positive, default=1, help="CPU threads of the arithmetic")
    sub.add_argument("--workers", type=int, default=0, help="processes that prepare clips")


def processes(sub: argparse.ArgumentParser) -> None:
    """How many processes compute together, each with the threads and workers named."""
    sub.add_argument("--processes", type=positive, default=1, help="more than one: with torchrun")


def positive(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {number}")
    return number


def parse_json(text: str) -> Any:
    """JSON, or that of a file after an @."""
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"expected JSON, or @FILE with it: {error}") from error
