"""What a check needs of videos: frames with their expected flow, clips to train on, and specs.

    python -m gpu.data TARGET [--videos FOLDER]

FOLDER has a folder of .avi videos for each class, some hundred in all at most. Without it, videos
are of the built-in data set. TARGET gets:

* frames.h5: frames of a few videos, as the stage `frames` stores them;
* golden.npz: what numba computes of the first pairs of each, under both semantics;
* clips.h5: all videos with their flow;
* specs.json: of the flow, and of the streams that are trained, and what all is made of.

What is there of the same FOLDER stays. TINY=1 makes everything small.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from gpu.results import TINY
from machine import sample_videos

from dsnet import flow, images, shards
from dsnet.datasets import motions
from dsnet.datasets.manifest import make_manifest, write_manifest
from dsnet.experiment import Experiment, load
from dsnet.experiment.networks import Model
from dsnet.experiment.specs import FlowSpec, flow_spec, frames_spec, train_spec, videos_spec
from dsnet.store import Reader, Writer

ROOT = Path(__file__).parents[2]
SMALL = {
    **{"layers": [1, 1, 1, 1], "widths": [8, 8, 16, 16], "stem": 8, "stem_kernel": 3},
    "cardinality": 4,
}
VIDEOS, PAIRS = (1, 3) if TINY else (4, 64)  # of frames.h5
GOLDEN = 1  # pairs of each video
SIDE = 64 if TINY else 256  # of frames.h5
CLIPS = 32 if TINY else 112  # side of the clips
TRAIN, TEST = (2, 1) if TINY else (8, 4)  # videos per class
# Of frames.h5, with OpenCV's defaults.
FLOW = FlowSpec.model_validate({"bound": 20, "tvl1": {"nscales": 2, "warps": 1} if TINY else {}})


def experiment(videos: Path | None) -> Experiment:
    """Return the default experiment with these videos, and the paper's network."""
    raw = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    if videos is None:
        raw["catalogue"]["motions"] |= {
            "size": CLIPS,
            "train_per_class": TRAIN,
            "test_per_class": TEST,
        }
    else:
        entry = {"kind": "folder", "videos": str(videos), "test_share": 0.3, "shards": 1}
        raw |= {"catalogue": {"own": entry}, "datasets": ["own"]}
    raw["frames"] |= {"size": CLIPS, "quality": 75}  # small enough to carry
    raw["flow"]["quality"], raw["clips"]["crop"] = 80, CLIPS
    raw["model"] = Model().values()
    return load(raw)


def main() -> None:
    """Make the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path)
    parser.add_argument("--videos", type=Path, help="a folder for each class")
    options = parser.parse_args()
    options.target.mkdir(parents=True, exist_ok=True)
    specs = options.target / "specs.json"
    if specs.exists() and json.loads(specs.read_text("utf-8")).get("of") == made_of(options.videos):
        return
    specs.unlink(missing_ok=True)
    make(options.target, options.videos)


def made_of(videos: Path | None) -> list[Any]:
    """Return what distinguishes data from others."""
    return [TINY, videos and str(videos.absolute())]


def make(target: Path, videos: Path | None = None) -> None:
    """Make the files in a folder; specs.json comes last."""
    chosen = experiment(videos)
    write_frames(target, videos)
    write_clips(target / "clips.h5", chosen)
    (name,) = chosen.datasets
    specs: dict[str, Any] = {
        "of": made_of(videos),
        "flow": FLOW.values(),
        "streams": {s: train_spec(chosen, name, 1, 16, 0, s).values() for s in ("flow", "ds")},
    }
    (target / "specs.json").write_text(json.dumps(specs, indent=1) + "\n", encoding="utf-8")


def write_frames(target: Path, videos: Path | None) -> None:
    """Store frames of some videos, and the expected flow of their first pairs."""
    golden = {}
    # Some may be too short.
    found = sample_videos([videos] if videos else [], "square", SIDE, PAIRS + 1, 3 * VIDEOS)
    if not found:
        raise SystemExit(f"{videos}: none of its .avi files that were tried has {PAIRS + 1} frames")
    found = found[:VIDEOS]
    with Writer(target / "frames.h5", ["rgb"], {"size": SIDE}) as writer:
        for number, frames in enumerate(found):
            writer.add(str(number), {"rgb": [images.encode(frame, 95) for frame in frames]})
        writer.close([str(number) for number in range(len(found))], {})
    for id, gray in gray_videos(target):
        for semantics in flow.SEMANTICS:
            params = {"semantics": semantics, **FLOW.tvl1.values()}
            golden[f"{semantics}/{id}"] = flow.compute(gray[: GOLDEN + 1], "numba", **params)
    np.savez_compressed(target / "golden.npz", **golden)


def gray_videos(folder: Path) -> list[tuple[str, np.ndarray]]:
    """Return the id and the grey frames, (T, H, W) uint8, of every video of ``frames.h5``."""
    reader = Reader(folder / "frames.h5")
    return [
        (id, np.stack([images.decode(item, True) for item in map(_bytes, reader.items(id, "rgb"))]))
        for id in reader.videos
    ]


def _bytes(item: bytes) -> np.ndarray:
    return np.frombuffer(item, np.uint8)


def write_clips(path: Path, chosen: Experiment) -> None:
    """Make clips.h5 of a data set as the pipeline does, in one shard."""
    (name,) = chosen.datasets
    entry = chosen.catalogue[name]
    with tempfile.TemporaryDirectory() as folder:
        table, rgb, planes = (Path(folder, n) for n in ("manifest.csv", "rgb.h5", "flow.h5"))
        listed = entry.values()
        if entry.kind == "motions":
            listed["videos"] = str(Path(folder, "videos"))
            motions.generate(videos_spec(chosen, name).values(), listed["videos"], jobs=2)
        schema = ROOT / "workflow/schemas/manifest.schema.yaml"
        write_manifest(make_manifest(listed, name, 1, 0.1, schema, 2), table)
        shards.frames(table, 0, frames_spec(chosen), rgb)
        shards.flow_shard(rgb, flow_spec(chosen).model_copy(update={"backend": "numba"}), planes)
        shards.pack(table, [rgb], [planes], name, 0.1, path, Path(folder, "broken.csv"))


if __name__ == "__main__":
    main()
