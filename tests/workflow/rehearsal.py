"""The paper's experiment on sample videos: releases with drawn weights, settings, and the run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from project import ROOT, Project, merge

sys.path.insert(0, str(ROOT / "tests/models"))
from networks import filled  # the recipe of the parity fixtures

PAPER = "experiments/paper.yaml"
# The recipes for the paper's tables: their overlays, and where their results are.
RECIPES = {
    "paper": ((PAPER,), "results/paper"),
    "paper-mars": (("experiments/paper-mars.yaml",), "results/paper-mars"),
    "paper-literal": (("experiments/paper-literal.yaml",), "results/paper-literal"),
}
SAMPLES = "samples.yaml"
CHECKPOINTS = "resources/checkpoints"
CHANNELS = {"RGB": 3, "Flow": 2, "MARS": 3}
KINETICS = 400  # classes
CLASSES = {"ucf101": 101, "hmdb51": 51}

Shapes = Mapping[str, tuple[int, ...]]

# How much there is, for every stream, whatever experiments/paper.yaml says for some.
LITTLE = {"epochs": 1, "batch_size": 2}
# Where it is computed.
HERE = {"workers": 0, "device": "cpu", "gpus": 0}


def write_releases(folder: Path, shapes: Shapes, datasets: Iterable[str]) -> None:
    """Write MARS's releases that the recipes start from: keys, shapes and classes are theirs.

    These are ``MARS_Kinetics_16f.pth`` and, of every data set, such as ``Flow_UCF101_16f.pth``.

    Every tensor is drawn from its own key after the release's name, so that no two releases are
    alike. Those of 64 frames, of the same shapes, are links to those of 16.

    Args:
        shapes: of MARS's ResNeXt-101 by key, for RGB and any number of classes.
        datasets: whose fine-tuned networks are written.
    """
    folder.mkdir(parents=True)
    releases = {"MARS_Kinetics": KINETICS}
    for dataset in datasets:
        releases |= {f"{n}_{dataset.upper()}": CLASSES[dataset] for n in ("Flow", "RGB")}
    for name, classes in releases.items():
        channels = CHANNELS[name.split("_")[0]]
        own = {
            **shapes,
            "conv1.weight": (shapes["conv1.weight"][0], channels, *shapes["conv1.weight"][2:]),
            "fc.weight": (classes, *shapes["fc.weight"][1:]),
            "fc.bias": (classes,),
        }
        weights = filled({f"{name}.{key}": shape for key, shape in own.items()})
        state = {f"module.{key.removeprefix(f'{name}.')}": value for key, value in weights.items()}
        content = {"epoch": 1, "arch": "resnext-101", "state_dict": state}
        torch.save(content, folder / f"{name}_16f.pth")
        (folder / f"{name}_64f.pth").symlink_to(f"{name}_16f.pth")


def prepare(
    folder: Path,
    releases: Path,
    videos: Mapping[str, Path],
    lists: Path,
    streams: Iterable[str],
    **changes: Any,
) -> Project:
    """A project with the releases, to run the paper's experiment in on few videos.

    Args:
        folder: of the project, to be made.
        releases: folder of :func:`write_releases`.
        videos: the folder of the videos of each data set.
        lists: folder that has the official lists as ``{data set}/splits``.
        streams: all that the experiment trains, in one epoch.
        changes: of the configuration, nested.
    """
    project = Project.create(folder)
    (project / CHECKPOINTS).parent.mkdir(parents=True)
    (project / CHECKPOINTS).symlink_to(releases)
    entries = {
        name: {
            "videos": str(path),
            "lists": str(lists / name / "splits"),
            "allow_missing": True,
            "shards": 2,
        }
        for name, path in videos.items()
    }
    overlay = {
        "datasets": list(videos),
        "catalogue": entries,
        "training": {**LITTLE, **HERE},
        "streams": {name: {"training": dict(LITTLE)} for name in streams},
    }
    text = yaml.safe_dump(merge(overlay, changes))
    (project / SAMPLES).write_text(text, encoding="utf-8")
    return project


def rehearse(project: Project, *targets: str, hours: float, recipe: Iterable[str]) -> None:
    """Run the experiment of a recipe's overlays, or some of its files, which must succeed.

    What Snakemake says goes to ``snakemake.log``.
    """
    with open(project / "snakemake.log", "w", encoding="utf-8") as log:
        process = subprocess.run(
            project.command(*targets, overlays=(*recipe, SAMPLES)),
            cwd=project.folder,
            env=project.environment,
            stdout=log,
            stderr=log,
            timeout=3600 * hours,
            check=False,
        )
    said = (project / "snakemake.log").read_text(encoding="utf-8")
    assert process.returncode == 0, said[-8000:] + project.logs()


def link_samples(source: Path, folder: Path, names: tuple[str, ...]) -> Path:
    """A folder with links to some of the videos in ``source``, each ``CLASS/NAME.avi``."""
    for name in names:
        assert (source / name).is_file(), f"there is no sample {source / name}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(source / name)
    return folder


def remove(*folders: Path) -> None:
    """Remove what a rehearsal made: a file of weights has hundreds of megabytes."""
    for folder in folders:
        shutil.rmtree(folder)
