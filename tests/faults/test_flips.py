"""Bits flipped and ends cut off, in every file that a later stage reads.

A change has to be noticed, and the file put aside to be made anew, or be of no account: what is
read is as before. DSNET_FLIPS sets how many changes each file gets. Without it they are few.
"""

from __future__ import annotations

import errno
import os
import random
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from contents import _text
from project import RUN, SHARDS, Project

from dsnet import csvs, fusion
from dsnet.clips import open_clips
from dsnet.datasets.manifest import read_manifest
from dsnet.errors import RemakeError, UserError, set_aside
from dsnet.figures.features import read_maps
from dsnet.models import checkpoints
from dsnet.provenance import seal_of
from dsnet.scores import read_scores
from dsnet.store import Reader
from dsnet.training import resuming

FLIPS = int(os.environ.get("DSNET_FLIPS", "0"))
FEW = 8
MOTIONS = "results/motions"
ASIDE, FALLBACK, SAME = "put aside", "the one before is taken", "of no account"
NAMED, OTHER, TRACEBACK = "named only", "unnoticed", "traceback"


def of_store(path: Path) -> Any:
    reader = open_clips(path) if path.name == "clips.h5" else Reader(path)
    reader.verify(reader.videos, reader.modalities)
    return [reader.digest, reader.extra, reader.source, reader.provenance]


def of_scores(path: Path) -> Any:
    found = read_scores(path)
    parts = {name: vars(part) for name, part in found.parts.items()}
    return [found.run, found.classes, found.spec and found.spec.values(), parts]


def of_model(path: Path) -> Any:
    network, content = checkpoints.load_trained(path)
    spec = content["spec"].values()
    return [dict(network.state_dict()), spec, content["classes"], content["data"]]


def of_record(path: Path) -> Any:
    content = checkpoints.read(path, weights=False)
    return {k: v for k, v in content.items() if k not in ("state_dict", "best", "last")}


def of_table(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def content(path: Path) -> Any:
        table = read(path)
        return [table.to_csv(), list(map(str, table.dtypes))]

    return content


def of_checkpoint(path: Path) -> Any:
    return resuming.load(path.parent, "sources")


# What each file is read with, and the file.
FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "manifest.csv": (of_table(read_manifest), f"{MOTIONS}/manifest.csv"),
    "frames": (of_store, f"{MOTIONS}/frames/{SHARDS[0]}.h5"),
    "flow": (of_store, f"{MOTIONS}/flow/{SHARDS[0]}.h5"),
    "clips.h5": (of_store, f"{MOTIONS}/clips.h5"),
    "model.pt": (of_model, f"{RUN}/ds/model.pt"),
    "model.pt, its record": (of_record, f"{RUN}/rgb/model.pt"),
    "history.csv": (of_table(csvs.read), f"{RUN}/ds/history.csv"),
    "scores.h5": (of_scores, f"{RUN}/ds/scores.h5"),
    "average.json": (fusion.read, f"{RUN}/fusion/ds+rgb.average.json"),
    "attention.json": (fusion.read, f"{RUN}/fusion/ds+flow.attention.json"),
    "table1.csv": (of_table(csvs.read), "results/tables/table1.csv"),
    "claims.csv": (of_table(csvs.read), "results/tables/claims.csv"),
    "study.csv": (of_table(csvs.read), "results/tables/study.csv"),
    "latency.csv": (of_table(csvs.read), "results/tables/latency.csv"),
    "similarity.csv": (of_table(csvs.read), f"{RUN}/similarity.csv"),
    "maps.npz": (read_maps, f"{RUN}/maps.npz"),
    ".checkpoint.pt": (of_checkpoint, f"{RUN}/checkpoints/{resuming.LAST}"),
    ".checkpoint.best.N.pt": (of_checkpoint, f"{RUN}/checkpoints/{resuming.BEST.format(2)}"),
}


def changes(whole: bytes, seed: str, count: int) -> Iterator[bytes]:
    """The bytes with a bit flipped, or, one time in four, cut off."""
    rng = random.Random(seed)
    for number in range(count):
        place = rng.randrange(len(whole))
        if number % 4 == 3:
            yield whole[:place]
        else:
            yield whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :]


def outcome(path: Path, read: Callable[[Path], Any], right: bytes) -> str:
    """What becomes of a changed file."""
    try:
        found = read(path)
    except UserError as error:
        if str(path) not in str(error):
            return TRACEBACK
        if isinstance(error, RemakeError):
            set_aside(error)
        return NAMED if path.exists() else ASIDE
    except Exception as error:
        return f"{TRACEBACK}: {type(error).__name__}"
    if _text(found) == right:
        return SAME
    return FALLBACK if read is of_checkpoint and found and found["epoch"] == 1 else OTHER


def campaign(project: Project, count: int, name: str) -> Counter[str]:
    """The outcomes of changes to one file; it and what is beside it are put back after each."""
    read, place = FILES[name]
    path = project / place
    kept = {each: each.read_bytes() for each in path.parent.iterdir() if each.is_file()}
    right, found = _text(read(path)), Counter[str]()
    for changed in changes(kept[path], name, count):
        path.write_bytes(changed)
        found[outcome(path, read, right)] += 1
        for each in kept if read is of_checkpoint else [path]:
            each.write_bytes(kept[each])
    return found


@pytest.fixture
def run(project: Project) -> Project:
    """The finished run, with the checkpoints of a training of two epochs, the second the best."""
    content = checkpoints.read(project / f"{RUN}/ds/model.pt")
    folder = project / f"{RUN}/checkpoints"
    folder.mkdir()
    with resuming.Saver(folder) as saver:
        for epoch in (1, 2):
            best = {"rank": [epoch], "epoch": epoch, "state_dict": content["state_dict"]}
            saver.save({**content, "sources": "sources", "epoch": epoch, "best": best})
            saver.wait()
    return project


def test_every_change_is_noticed_or_of_no_account(run: Project, capsys):
    found = {name: campaign(run, FLIPS or FEW, name) for name in FILES}
    columns = [ASIDE, FALLBACK, SAME, *sorted({*chain(*found.values())} - {ASIDE, FALLBACK, SAME})]
    rows = [["file", *columns], ["---"] * (1 + len(columns))]
    rows += [[name, *(str(of[column]) for column in columns)] for name, of in found.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    if FLIPS:
        with capsys.disabled():
            print(f"\n{table}")
    assert len(columns) == 3, table


def test_damage_in_a_file_of_before_without_a_seal_ends_without_a_traceback(run: Project):
    """Some changes go unnoticed, such as of a digit; the others are named."""
    for name, (read, place) in FILES.items():
        if read not in (of_store, of_checkpoint):
            seal_of(run / place).unlink()
            read(run / place)  # it is taken as it is
            found = campaign(run, FLIPS or FEW, name)
            assert not [each for each in found if each.startswith(TRACEBACK)], (name, found)
            assert found[NAMED] + found[ASIDE], name


def test_what_the_system_refuses_is_no_damage(run: Project):
    """With no descriptors left, no file can be opened; each stays where it is."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for name, (read, place) in FILES.items():
        read(run / place)
        before = set((run / place).parent.iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
        try:
            with pytest.raises(OSError, match="Too many open files") as caught:
                read(run / place)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        assert caught.value.errno == errno.EMFILE, name
        assert set((run / place).parent.iterdir()) == before, name
