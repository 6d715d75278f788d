"""What every file of a results folder holds, as a digest: times, versions and the commit left out.

    python tests/workflow/contents.py results > before.txt

Two runs of one experiment give the same lines, as do the code before and after a change that is
to keep every result. What is measured in seconds (latency, its figure, provenance, logs) is left
out as a whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from dsnet.models import checkpoints
from dsnet.scores import read_scores
from dsnet.store import Reader

MEASURED = re.compile(
    r"(^|/)\.|^(logs|benchmarks)/|^provenance\.html|^summary\.html|^tables/latency\.|^figures/cost\.|/tensorboard/"
)
# What a table says at its end of versions and commit, as JSON and as JSON within HTML.
RECORD = re.compile(rb'{(?:"|&quot;)commit.*}}')
# A model's sources are digests of files and code, in which versions and the commit are.
ORIGIN = ("provenance", "sources")


def contents(results: Path) -> dict[str, str]:
    """Digests by path below ``results``, in the order of the paths.

    Raises:
        DamagedError: the bytes of frames, flow or clips are not those that were written.
    """
    paths = {str(path.relative_to(results)): path for path in sorted(results.rglob("*"))}
    return {
        name: hashlib.sha256(_read(path)).hexdigest()[:16]
        for name, path in paths.items()
        if path.is_file() and not MEASURED.search(name)
    }


def _read(path: Path) -> bytes:
    return READERS.get(path.name, READERS.get(path.suffix, Path.read_bytes))(path)


def _plain(value: Any) -> Any:
    """As JSON takes it; of an array type, shape and a digest of its bytes."""
    array = np.asarray(value)
    data = json.dumps(array.tolist()).encode() if array.dtype == object else array.tobytes()
    return [str(array.dtype), array.shape, hashlib.sha256(data).hexdigest()]


def _text(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=_plain).encode()


def _store(path: Path) -> bytes:
    reader = Reader(path)
    reader.verify(reader.videos, reader.modalities)
    return _text([reader.digest, reader.extra])


def _scores(path: Path) -> bytes:
    found = read_scores(path)
    with h5py.File(path) as file:
        metrics = file.attrs["metrics"]
    parts = {name: vars(part) for name, part in found.parts.items()}
    return _text([found.run, found.classes, found.spec and found.spec.values(), parts, metrics])


def _model(path: Path) -> bytes:
    content = checkpoints.read(path)
    return _text({key: value for key, value in content.items() if key not in ORIGIN})


def _json(path: Path) -> bytes:
    content = json.loads(path.read_text(encoding="utf-8"))
    return _text({key: value for key, value in content.items() if key not in ORIGIN})


def _maps(path: Path) -> bytes:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(str(arrays.pop("about")))
    return _text([arrays, about["run"]])


def _table(path: Path) -> bytes:
    text, records = RECORD.subn(b"", path.read_bytes())
    assert records <= 1, f"{path} has {records} records of versions"
    return text


def _history(path: Path) -> bytes:
    return pd.read_csv(path).drop(columns="seconds").to_csv(index=False).encode()


READERS: dict[str, Callable[[Path], bytes]] = {
    ".h5": _store,
    "scores.h5": _scores,
    ".pt": _model,
    ".json": _json,
    ".npz": _maps,
    "history.csv": _history,
    **dict.fromkeys((".md", ".tex", ".html"), _table),
}


if __name__ == "__main__":
    for name, digest in contents(Path(sys.argv[1])).items():
        print(f"{digest}  {name}")
