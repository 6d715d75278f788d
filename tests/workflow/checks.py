"""What a run left: whether every file is whole, and what must be the same after every run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import torch
from contents import contents
from project import CLASSES, RUN, SHARDS, TEST, TRAIN, Project

from dsnet.fusion import KEPT
from dsnet.models import checkpoints
from dsnet.provenance import check_seal, seal_of
from dsnet.store import Reader


def state_dict(project: Project, stream: str) -> dict[str, torch.Tensor]:
    """The weights of a stream's model.pt."""
    return checkpoints.read(project / f"{RUN}/{stream}/model.pt")["state_dict"]


def shard_digests(project: Project) -> dict[str, str]:
    """The content of all shards and of clips.h5."""
    names = [f"{kind}/{shard}.h5" for kind in ("frames", "flow") for shard in SHARDS]
    return {
        name: Reader(project / f"results/motions/{name}").digest for name in [*names, "clips.h5"]
    }


def scores(path: Path) -> dict[str, Any]:
    """The numbers in scores.h5 (not its bytes, which name the time and the commit)."""
    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu":
            found[name] = item[()].tolist()

    with h5py.File(path) as file:
        file.visititems(visit)
    assert found
    return found


def assert_same_results(project: Project, other: Project, *targets: str) -> None:
    """What two runs left is the same, but for times, versions and the commit.

    ``targets``, if any, are what the first was asked for. The other run made everything.
    """
    own, others = contents(project / "results"), contents(other / "results")
    assert own == ({name: others.get(name) for name in own} if targets else others)
    assert {target.removeprefix("results/") for target in targets} <= own.keys()


def assert_whole(project: Project) -> int:
    """Check that every file that has its final name can be read to its end; their number."""
    results = project / "results"
    if (results / "motions/videos").exists():
        videos = list((results / "motions/videos").glob("*/*.mp4"))
        assert len(videos) == CLASSES * (TRAIN + TEST)
    paths = [
        path
        for path in sorted(results.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(results).parts)
        and path.suffix in READERS
    ]
    for path in paths:
        check_seal(path)
        READERS[path.suffix](path)
    return len(paths)


def leftovers(project: Project) -> list[Path]:
    """What jobs wrote on their way and did not remove: not stamps, seals and kept fusions."""
    results = project / "results"
    hidden = {*results.rglob(".*")} - {seal_of(path) for path in results.rglob("[!.]*")}
    return [path for path in hidden if path.name not in (".snakemake_timestamp", KEPT)]


def _read_h5(path: Path) -> None:
    if path.name == "scores.h5":
        scores(path)
        return
    reader = Reader(path)
    for id in reader.videos:
        for modality in reader.modalities:
            reader.items(id, modality, verify=True)


def _read_png(path: Path) -> None:
    assert path.read_bytes().endswith(b"IEND\xaeB`\x82"), path


def _read_svg(path: Path) -> None:
    assert path.read_text(encoding="utf-8").rstrip().endswith("</svg>"), path


def _read_html(path: Path) -> None:
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), path


READERS = {
    ".h5": _read_h5,
    ".pt": checkpoints.read,
    ".csv": pd.read_csv,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".png": _read_png,
    ".svg": _read_svg,
    ".html": _read_html,
}
