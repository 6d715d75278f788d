"""What Snakemake needs to plan an experiment: `snakemake -n` on stand-in files, nothing run.

    python benchmarks/planning.py [--only ucf101 hmdb51 kinetics400 classes seeds]

Prints Markdown; docs/scale.md keeps a run. The seconds of the processor depend less on what else
the machine does. The videos are empty files of the right number, names and folders, the split lists
have the right lengths, and the experiment is from-scratch.yaml over paper.yaml. `classes` has many
classes, and `seeds` many jobs. "nothing made" is the first plan; "all but the students made" has
stand-ins for every file up to the flow stream's scores, which is what a changed loss leaves to do.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from machine import machine
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
OVERLAYS = [
    ROOT / name
    for name in ("config.yaml", "experiments/paper.yaml", "experiments/from-scratch.yaml")
]


@dataclass(frozen=True)
class Stand:
    """A data set to stand in for: classes, videos and seeds, and jobs that share them."""

    classes: int
    videos: int
    shards: int
    seeds: int = 1


SETS = {
    "ucf101": Stand(101, 13_320, 128),
    "hmdb51": Stand(51, 6_766, 64),
    "kinetics400": Stand(400, 240_000, 512),
    "classes": Stand(300, 2_000, 16),
    "seeds": Stand(300, 2_000, 16, seeds=29),
}


def names(stand: Stand) -> Iterator[tuple[str, str]]:
    """Class and file name of every video, in the manner of UCF-101: groups of some four clips."""
    for index in range(stand.videos):
        label, number = index % stand.classes, index // stand.classes
        group, clip = number // 4 + 1, number % 4 + 1
        yield f"Class{label:03d}", f"v_Class{label:03d}_g{group:02d}_c{clip:02d}.avi"


def make(folder: Path, name: str) -> None:
    """Empty videos, the lists of split 1 where the kind has them, and the overlay to use them."""
    stand = SETS[name]
    for label in range(stand.classes):
        (folder / "videos" / f"Class{label:03d}").mkdir(parents=True)
    for label, file in tqdm(names(stand), name, total=stand.videos, disable=None):
        os.mknod(folder / "videos" / label / file)
    entry: dict[str, object] = {"videos": "videos", "shards": stand.shards}
    if name not in ("ucf101", "hmdb51"):
        entry.update(kind="folder")
    else:
        (folder / "lists").mkdir()
        (folder / "lists/trainlist01.txt").touch()  # read by the manifest's job, not by the plan
        entry["lists"] = "lists"
    overlay = {"datasets": [name], "catalogue": {name: entry}, "seeds": [*range(stand.seeds)]}
    (folder / "standin.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")


def plan(folder: Path) -> tuple[str, float, float, float]:
    """What ``snakemake -n`` says, its seconds, those of the processor, and its memory in MB."""
    overlays = [*map(str, OVERLAYS), "standin.yaml"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "-n"]
    command += ["--workflow-profile", str(ROOT / "profiles/default"), "--cores", "16"]
    command += ["--directory", str(folder), "--configfile", *overlays]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        out.seek(0)
        text = out.read()
    if status:
        raise SystemExit(text)
    return text, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def jobs(text: str) -> dict[str, int]:
    """The number of jobs of every rule."""
    table = text.split("Job stats:")[1].split("\n\n")[0]
    return {rule: int(n) for rule, n in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def stand_in(folder: Path, text: str) -> None:
    """Make empty files of what the plan would make up to the flow stream's scores."""
    made = re.findall(r"^ {4}output: (.*)$", text, re.MULTILINE)
    paths = [path for line in made for path in line.split(", ")]
    kept = [p for p in paths if re.search(r"manifest|/frames/|/flow/|clips\.h5|broken", p)]
    for path in kept:
        target = folder / path
        if path.endswith("tensorboard"):
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()


def main() -> None:
    """Plan every data set and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    options = parser.parse_args()
    print(machine("snakemake") + "\n")
    print("| data set | videos | state | jobs | of them | seconds | of the processor | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.only:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            make(folder, name)
            for state in ("nothing made", "all but the students made"):
                text, seconds, processor, memory = plan(folder)
                count = jobs(text)
                total = count.pop("total")
                most = ", ".join(f"{n} {rule}" for rule, n in count.items() if n > 8)
                print(
                    f"| {name} | {SETS[name].videos} | {state} | {total} | {most} "
                    f"| {seconds:.1f} | {processor:.1f} | {memory:.0f} |",
                    flush=True,
                )
                stand_in(folder, text)


if __name__ == "__main__":
    main()
