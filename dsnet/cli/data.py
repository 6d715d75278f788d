"""The verbs from videos to clips."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from dsnet.cli.options import Verb, max_broken, parse_json, paths, positive, spec
from dsnet.errors import UserError
from dsnet.flow import BACKENDS, SEMANTICS
from dsnet.provenance import replacing


def add(verb: Verb) -> None:
    """Add the verbs to the command line."""
    sub = verb(fetch)
    sub.add_argument("dataset", help="ucf101, hmdb51 or weizmann")
    sub.add_argument("--to", type=Path, default=Path("data"), help="where to, default: data")
    sub.add_argument("--folders", type=parse_json, help="JSON: instead of TO/UCF-101 and so on")
    sub.add_argument("--downloads", type=Path, help="keeps the archives, default: TO/downloads")
    sub.add_argument("--mirror", help="address of a copy of that folder, asked instead")
    sub.add_argument("--output", type=Path, help="JSON to write: what was fetched, from where")

    sub = verb(videos)
    spec(sub, "see dsnet.config.videos_spec")
    sub.add_argument("--jobs", type=positive, default=1, help="videos made at a time")
    paths(sub, "output", help="folder to make")
    paths(sub, "index", help="JSON to write: the digest of each video")

    sub = verb(manifest)
    spec(sub, "see dsnet.config.manifest_spec")
    max_broken(sub)
    paths(sub, "schema", help="manifest.schema.yaml")
    sub.add_argument("--jobs", type=positive, default=1, help="videos probed at a time")
    paths(sub, "output", help="manifest.csv")

    sub = verb(frames)
    spec(sub, "see dsnet.config.frames_spec")
    sub.add_argument("--shard", type=int, required=True)
    paths(sub, "manifest", "output")

    sub = verb(flow)
    sub.add_argument("video", nargs="?", type=Path, help="show the flow of this video")
    sub.add_argument("-o", "--output", type=Path, required=True, help="the shard, or a .mp4")
    shard = sub.add_argument_group("of a shard")
    shard.add_argument("--spec", type=parse_json, help="JSON, or @FILE: see dsnet.config.flow_spec")
    shard.add_argument("--frames", type=Path)
    single = sub.add_argument_group("of a video")
    single.add_argument("--raw", type=Path, help=".npy, (T-1, H, W, 2) float32 in pixels")
    single.add_argument("--fps", type=float, help="default: 25")
    single.add_argument("--backend", choices=("auto", *BACKENDS), help="default: auto")
    single.add_argument("--semantics", choices=SEMANTICS, help="default: cuda")

    sub = verb(pack)
    sub.add_argument("--name", required=True, help="of the data set, for messages")
    max_broken(sub)
    paths(sub, "manifest", "output", "broken")
    paths(sub, "frames", "flow", nargs="+")


def fetch(options: argparse.Namespace) -> None:
    """Get a data set and its official lists from where they are published."""
    from dsnet import fetching

    source = fetching.source_of(options.dataset)
    if not sys.stderr.isatty():  # a log, and these terms are for people
        print(source.notice, flush=True)
    record = fetching.fetch(
        options.dataset,
        options.folders or fetching.usual_folders(options.dataset, options.to),
        options.downloads or options.to / "downloads",
        options.mirror or None,
    )
    if options.output is not None:
        with replacing(options.output) as path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def videos(options: argparse.Namespace) -> None:
    """Make the videos of a built-in data set."""
    from dsnet.datasets import motions

    motions.generate(options.spec, options.output, jobs=options.jobs)
    motions.write_index(options.output, options.index)


def manifest(options: argparse.Namespace) -> None:
    """List a data set's videos, probe them and assign them to shards."""
    from dsnet import datasets

    entry = options.spec["entry"]
    table = datasets.make_manifest(
        entry,
        options.spec["name"],
        entry["shards"],
        options.max_broken,
        options.schema,
        options.jobs,
    )
    datasets.write_manifest(table, options.output)


def frames(options: argparse.Namespace) -> None:
    """Decode the videos of a shard at the configured rate and size."""
    from dsnet import shards

    shards.frames(options.manifest, options.shard, options.spec, options.output)


def flow(options: argparse.Namespace) -> None:
    """Compute TV-L1 optical flow between the frames of a shard, or show that of a video."""
    shard = {name: getattr(options, name) for name in ("frames", "spec")}
    single = {name: getattr(options, name) for name in ("raw", "fps", "backend", "semantics")}
    single = {name: value for name, value in single.items() if value is not None}
    if options.video is not None and not any(shard.values()):
        from dsnet.figures.flow import flow_video

        flow_video(options.video, options.output, **single)
    elif options.video is None and all(shard.values()) and not single:
        from dsnet import shards

        shards.flow(options.frames, options.spec, options.output)
    else:
        raise UserError("expected a VIDEO, or --frames and --spec of a shard; see flow --help")


def pack(options: argparse.Namespace) -> None:
    """Gather the shards into one training-ready file and list the unusable videos."""
    from dsnet import shards

    shards.pack(
        options.manifest,
        options.frames,
        options.flow,
        options.name,
        options.max_broken,
        options.output,
        options.broken,
    )
