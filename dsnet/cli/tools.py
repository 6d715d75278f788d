"""The verbs beside the workflow."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from dsnet.cli.options import Verb, parse_json
from dsnet.experiment.data import FOLLOWED, IMPORTED, TVL1_NAME
from dsnet.provenance import replacing
from dsnet.registry import FLOWS
from dsnet.releases import FOLDER, fetchable
from dsnet.signatures import check_model, check_videos
from dsnet.stages.stage import positive

DEVICE = "auto, cpu, cuda or cuda:N"
CONFIGS = "as for Snakemake, over config.yaml"
THREADS = "CPU threads of the networks; default: all cores"


def add(verb: Verb) -> None:
    """Add the verbs to the command line, in the order of the help."""
    sub = verb(doctor)
    sub.add_argument("--configfile", nargs="+", type=Path, default=[], help=CONFIGS)

    sub = verb(fetch)
    about = "ucf101, hmdb51 or weizmann; or weights, such as r2plus1d_18_Kinetics400"
    sub.add_argument("name", help=about)
    about = f"where to, default: data, or {FOLDER} for weights"
    sub.add_argument("--to", type=Path, help=about)
    sub.add_argument("--folders", type=parse_json, help="JSON: instead of TO/UCF-101 and so on")
    sub.add_argument("--downloads", type=Path, help="keeps the archives, default: TO/downloads")
    sub.add_argument("--mirror", help="address of a copy of that folder, asked instead")
    sub.add_argument("--output", type=Path, help="JSON to write: what was fetched, from where")

    _add_predict(verb(predict))
    _add_features(verb(features))

    sub = verb(export)
    sub.add_argument("model", type=Path, help="model.pt of a stream")
    sub.add_argument("output", type=Path, help="file to write, such as student.onnx")
    kind = sub.add_mutually_exclusive_group(required=True)
    for name, about in (("onnx", "for ONNX Runtime"), ("pt2", "for torch.export.load")):
        kind.add_argument(f"--{name}", dest="kind", action="store_const", const=name, help=about)

    sub = verb(show)
    sub.add_argument("model", type=Path, help="model.pt of a stream, or the .json of a fusion")
    sub.add_argument("--port", type=int, default=0, help="of 127.0.0.1; default: a free one")
    sub.add_argument("--device", default="auto", help=DEVICE)
    sub.add_argument("--threads", type=positive, help=THREADS)

    sub = verb(benchmark)
    sub.add_argument("model", type=Path, help="model.pt of a stream")
    sub.add_argument("--onnx", action="store_true", help="measure ONNX Runtime, too")
    sub.add_argument("--batch", type=positive, default=8, help="clips of a batch; default: 8")
    sub.add_argument("--rounds", type=positive, default=20, help="measurements; default: 20")
    sub.add_argument("--json", action="store_true", help="one object instead of the table")
    sub.add_argument("--device", default="auto", help=DEVICE)
    sub.add_argument("--threads", type=positive, help=THREADS)

    sub = verb(flow)
    sub.add_argument("video", type=Path, metavar="VIDEO")
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.mp4")
    sub.add_argument("--raw", type=Path, help=".npy, (T-1, H, W, 2) float32 in pixels")
    sub.add_argument("--fps", type=above_zero, default=25)
    algorithms = [name for name in FLOWS if name != IMPORTED]
    sub.add_argument("--algorithm", choices=algorithms, default=TVL1_NAME)
    sub.add_argument("--backend", choices=("auto", *FOLLOWED), default="auto", help="of tvl1")
    sub.add_argument("--semantics", choices=("cpu", "cuda"), default="cuda", help="of tvl1")

    actions = verb(checkpoint).add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "say what a file of weights holds: ours, MARS's or 3D-ResNets-PyTorch's"
    sub = actions.add_parser("inspect", help=about, description=about)
    sub.add_argument("file", type=Path)
    about = "write weights as model.pt (OUTPUT ends in .pt) or in MARS's layout (.pth)"
    sub = actions.add_parser("convert", help=about, description=about)
    sub.add_argument("file", type=Path)
    sub.add_argument("output", type=Path)
    sub.add_argument("--classes", type=Path, help="names in label order, a line each, for .pt")

    sub = verb(crate)
    sub.add_argument("--configfile", nargs="+", type=Path, default=[], help=CONFIGS)
    sub.add_argument("-o", "--output", type=Path, default=Path("crate.zip"), metavar="CRATE.zip")
    sub.add_argument("--models", action="store_true", help="with the weights of every stream")
    sub.add_argument("--license", help="of the results: an address, or a name such as CC-BY-4.0")


def _add_predict(sub: argparse.ArgumentParser) -> None:
    about = "video, folder of such, or an address, such as rtsp://..."
    sub.add_argument("videos", nargs="*", metavar="VIDEO", help=about)
    sub.add_argument("--camera", type=int, metavar="NUMBER", help="this camera instead")
    _add_clips(sub)
    sub.add_argument(
        "--with-flow", action="store_true", help="fuse with the flow stream of the same run"
    )
    sub.add_argument("--flow-model", type=Path, help="fuse with this flow stream")
    about = "say none where no class is as likely as this, 0 to 1"
    sub.add_argument("--threshold", type=share, default=0.0, help=about)
    sub.add_argument("--annotate", type=Path, metavar="OUT.mp4", help="the video with its top-3")
    about = "where the top-3 are: over the picture (default), below or beside it"
    sub.add_argument("--panel", choices=("over", "below", "beside"), default="over", help=about)
    sub.add_argument("--json", action="store_true", help="an object per video and line")
    sub.add_argument("--csv", type=Path, metavar="OUT.csv", help="table of all segments")
    sub.add_argument("--srt", type=Path, metavar="OUT.srt", help="subtitles for one video")


def _add_features(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("videos", nargs="+", metavar="VIDEO", help="video, or folder of such")
    about = ".npy for one video, or .h5"
    sub.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help=about)
    about = "level of the network, default: avgpool; means over frames and places"
    sub.add_argument("--level", default="avgpool", help=about)
    _add_clips(sub)


def _add_clips(sub: argparse.ArgumentParser) -> None:
    """Add the options that predict and features share."""
    sub.add_argument("--model", type=Path, required=True, help="model.pt of a stream")
    about = "seconds from one clip's begin to the next one's; default: a clip's length"
    sub.add_argument("--stride", type=above_zero, metavar="SECONDS", help=about)
    sub.add_argument("--device", default="auto", help=DEVICE)
    sub.add_argument("--threads", type=positive, help=THREADS)


def above_zero(text: str) -> float:
    """Read a number above zero; argparse says its name where the text is no number."""
    if not 0 < (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    if not 0 <= (value := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"expected 0 to 1, got {text}")
    return value


def checkpoint(options: argparse.Namespace) -> None:
    """Inspect or convert a file of weights."""
    from dsnet import models

    if options.action == "inspect":
        print(models.inspect(options.file).describe())
        return
    names = options.classes and options.classes.read_text(encoding="utf-8-sig").splitlines()
    models.convert(options.file, options.output, names)


def fetch(options: argparse.Namespace) -> None:
    """Get a data set and its official lists, or published weights."""
    from dsnet import fetching

    name, mirror = options.name, options.mirror or None
    if fetchable(name):
        _say(fetching.notice_of(name))
        record = fetching.fetch_weights(name, options.to or Path(FOLDER), mirror)
    else:
        _say(fetching.source_of(name).notice)
        to = options.to or Path("data")
        folders = options.folders or fetching.usual_folders(name, to)
        record = fetching.fetch(name, folders, options.downloads or to / "downloads", mirror)
    if options.output is not None:
        with replacing(options.output) as path:
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _say(terms: str) -> None:
    """Print the terms of what is fetched if the log, which has them, is a file."""
    if not sys.stderr.isatty():
        print(terms, flush=True)


def flow(options: argparse.Namespace) -> None:
    """Show the optical flow of a video."""
    from dsnet.figures.flow import flow_video

    names = ("raw", "fps", "algorithm", "backend", "semantics")
    flow_video(options.video, options.output, **{name: getattr(options, name) for name in names})


def predict(options: argparse.Namespace) -> None:
    """Say which actions videos, a camera or a stream show."""
    for path in filter(None, (options.model, options.flow_model)):
        check_model(path)  # before PyTorch is imported, which takes seconds
    check_videos(options.videos)
    from dsnet.predict import command

    names = ("camera", "stride", "threshold", "panel", "csv", "srt", "device", "threads")
    command.predict(
        options.videos,
        options.model,
        options.flow_model or options.with_flow,
        annotated=options.annotate,
        as_json=options.json,
        **{name: getattr(options, name) for name in names},
    )


def features(options: argparse.Namespace) -> None:
    """Write a vector for each clip of videos: features of a network."""
    check_model(options.model, fusions=False)
    check_videos(options.videos)
    from dsnet.predict import command

    names = ("stride", "device", "threads")
    command.features(
        options.videos,
        options.model,
        options.output,
        options.level,
        **{name: getattr(options, name) for name in names},
    )


def export(options: argparse.Namespace) -> None:
    """Write a stream's network as ONNX or .pt2, to run without dsnet."""
    check_model(options.model, fusions=False)
    from dsnet.export import export

    export(options.model, options.output, options.kind)


def show(options: argparse.Namespace) -> None:
    """Serve a local page: drop a video, and see what the model says."""
    check_model(options.model)
    from dsnet.show import show

    show(options.model, options.port, options.device, options.threads)


def benchmark(options: argparse.Namespace) -> None:
    """Measure a network's speed here: PyTorch, compiled, .pt2, ONNX."""
    check_model(options.model, fusions=False)
    from dsnet.benchmark import benchmark

    names = ("onnx", "batch", "rounds", "device", "threads")
    found = benchmark(options.model, **{name: getattr(options, name) for name in names})
    print(json.dumps(found.to_dict()) if options.json else found.describe())


def doctor(options: argparse.Namespace) -> None:
    """Check whether this machine has what an experiment needs."""
    from dsnet.doctor import examine, show

    logging.getLogger("dsnet").setLevel(logging.WARNING)  # details of the checks are not needed
    show(examine(options.configfile))


def crate(options: argparse.Namespace) -> None:
    """Pack a finished run and its workflow into an RO-Crate to publish."""
    from dsnet.crate import crate

    crate(options.output, options.configfile, options.models, options.license)
