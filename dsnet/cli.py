"""The verbs of ``python -m dsnet``: the rules of the workflow, and tools beside it.

No logic of its own: a verb hands its options to one function of the library.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dsnet.errors import UserError
from dsnet.flow import BACKENDS, SEMANTICS

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it went well, 1 on an error that its message explains."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        options.run(options)
    except (UserError, OSError) as error:  # a bug keeps its traceback
        log.error("%s: %s", options.verb, error)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="dsnet", description=__doc__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        sub = verbs.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    _data_verbs(verb)
    _stream_verbs(verb)
    _result_verbs(verb)
    _tool_verbs(verb)
    return top


Verb = Callable[[Callable[[argparse.Namespace], None]], argparse.ArgumentParser]


def _paths(sub: argparse.ArgumentParser, *names: str, **more: Any) -> None:
    for name in names:
        sub.add_argument(f"--{name}", type=Path, required=True, **more)


def _spec(sub: argparse.ArgumentParser, what: str) -> None:
    sub.add_argument("--spec", type=_json, required=True, help=f"JSON, or @FILE: {what}")


def _max_broken(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--max-broken", type=float, default=0.01, help="share that may be unusable")


def _compute(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    sub.add_argument("--threads", type=int, default=1, help="CPU threads of the arithmetic")
    sub.add_argument("--workers", type=int, default=0, help="processes that prepare clips")


def _data_verbs(verb: Verb) -> None:
    sub = verb(videos)
    _spec(sub, "see dsnet.config.videos_spec")
    sub.add_argument("--jobs", type=int, default=1, help="videos made at a time")
    _paths(sub, "output", help="folder to make")

    sub = verb(manifest)
    _spec(sub, "see dsnet.config.manifest_spec")
    _max_broken(sub)
    _paths(sub, "schema", help="manifest.schema.yaml")
    sub.add_argument("--jobs", type=int, default=1, help="videos probed at a time")
    _paths(sub, "output", help="manifest.csv")

    sub = verb(frames)
    _spec(sub, "see dsnet.config.frames_spec")
    sub.add_argument("--shard", type=int, required=True)
    _paths(sub, "manifest", "output")

    sub = verb(flow)
    sub.add_argument("video", nargs="?", type=Path, help="show the flow of this video")
    sub.add_argument("-o", "--output", type=Path, required=True, help="the shard, or a .mp4")
    shard = sub.add_argument_group("of a shard")
    shard.add_argument("--spec", type=_json, help="JSON, or @FILE: see dsnet.config.flow_spec")
    shard.add_argument("--frames", type=Path)
    single = sub.add_argument_group("of a video")
    single.add_argument("--raw", type=Path, help=".npy, (T-1, H, W, 2) float32 in pixels")
    single.add_argument("--fps", type=float, help="default: 25")
    single.add_argument("--backend", choices=("auto", *BACKENDS), help="default: auto")
    single.add_argument("--semantics", choices=SEMANTICS, help="default: cuda")

    sub = verb(pack)
    sub.add_argument("--name", required=True, help="of the data set, for messages")
    _max_broken(sub)
    _paths(sub, "manifest", "output", "broken")
    _paths(sub, "frames", "flow", nargs="+")


def _stream_verbs(verb: Verb) -> None:
    sub = verb(train)
    _spec(sub, "see dsnet.config.train_spec")
    _paths(sub, "clips")
    _paths(sub, "output", help="folder of model.pt, history.csv and tensorboard/")
    sub.add_argument("--code", default="", help="digest of the code, recorded and kept to")
    sub.add_argument("--init", type=Path, help="weights to start from")
    sub.add_argument("--teacher", type=Path, help="model.pt to distill from")
    _compute(sub)

    sub = verb(evaluate)
    _paths(sub, "model", "clips", "output")
    _compute(sub)

    sub = verb(fuse)
    _spec(sub, "the config's fusion")
    sub.add_argument("--kind", choices=("average", "attention"), required=True)
    _paths(sub, "scores", nargs=2)
    _paths(sub, "output")


def _result_verbs(verb: Verb) -> None:
    for run in (table1, table2, claims, study):
        sub = verb(run)
        _spec(sub, "streams, tables and titles of the config")
        _paths(sub, "scores", "fusions", nargs="+")
        _paths(sub, "output", nargs=3, help="the table as .csv, .md and .tex")

    sub = verb(significance)
    _spec(sub, "streams and titles of the config")
    _paths(sub, "scores", nargs="+")
    _paths(sub, "output", nargs=3, help="the table as .csv, .md and .tex")

    sub = verb(latency)
    _spec(sub, "options, and rows of title and streams")
    _paths(sub, "clips")
    _paths(sub, "models", nargs="+", help="one per stream that the rows name, in their order")
    _paths(sub, "output", nargs=3, help="the table as .csv, .md and .tex")
    _compute(sub)

    sub = verb(figures)
    _spec(sub, "streams and tables of the config")
    _paths(sub, "scores", "histories", nargs="+")
    _paths(sub, "output", nargs=6, help="three .png, then the same as .svg")

    sub = verb(contact)
    _paths(sub, "clips")
    _paths(sub, "output", nargs=2, help=".png and .svg")

    sub = verb(intervals)
    _paths(sub, "table", help="claims.csv or study.csv")
    _paths(sub, "output", nargs=2, help=".png and .svg")

    sub = verb(bars)
    _paths(sub, "table", help="table1.csv")
    _paths(sub, "output", nargs=2, help=".png and .svg")


def _tool_verbs(verb: Verb) -> None:
    actions = verb(checkpoint).add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "say what a file of weights holds: ours, MARS's or 3D-ResNets-PyTorch's"
    sub = actions.add_parser("inspect", help=about, description=about)
    sub.add_argument("file", type=Path)
    about = "write weights as model.pt (OUTPUT ends in .pt) or in MARS's layout (.pth)"
    sub = actions.add_parser("convert", help=about, description=about)
    sub.add_argument("file", type=Path)
    sub.add_argument("output", type=Path)
    sub.add_argument("--classes", type=Path, help="names in label order, a line each, for .pt")


def _json(text: str) -> Any:
    if text.startswith("@"):
        text = Path(text[1:]).read_text(encoding="utf-8")
    return json.loads(text)


def videos(options: argparse.Namespace) -> None:
    """Make the videos of a built-in data set."""
    from dsnet.datasets import motions

    motions.generate(options.spec, options.output, jobs=options.jobs)


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


def train(options: argparse.Namespace) -> None:
    """Train one stream."""
    from dsnet import training

    training.train(
        options.spec,
        options.clips,
        options.output,
        options.code,
        options.init,
        options.teacher,
        options.device,
        options.workers,
        options.threads,
    )


def evaluate(options: argparse.Namespace) -> None:
    """Score all clips of the train, validation and test videos."""
    from dsnet import evaluation

    evaluation.evaluate(
        options.model,
        options.clips,
        options.output,
        options.device,
        options.workers,
        options.threads,
    )


def fuse(options: argparse.Namespace) -> None:
    """Fuse the scores of two streams by average or by attention."""
    from dsnet import fusion

    a, b = options.scores
    fusion.fuse(a, b, options.kind, options.spec, options.output)


def latency(options: argparse.Namespace) -> None:
    """Measure what inference costs, with and without flow."""
    from dsnet import latency, tables

    paths = iter(options.models)
    rows = [(title, [next(paths) for _ in streams]) for title, streams in options.spec["rows"]]
    table = latency.measure(
        rows, options.clips, options.spec["options"], options.device, options.threads
    )
    tables.write(table, latency.render(table), *options.output)


def _scores(options: argparse.Namespace) -> list[Any]:
    """The scores that a table is made of, with their data sets' titles."""
    from dsnet.scores import read_scores

    scores = [read_scores(path) for path in options.scores]
    for item in scores:
        item.run["title"] = options.spec["titles"][item.run["dataset"]]
    return scores


def _results(options: argparse.Namespace) -> tuple[list[Any], list[Any], dict[str, int]]:
    """The scores and the fusions that a table is made of, with their data sets' titles.

    And, by title, how many videos each data set lists.
    """
    scores = _scores(options)
    fusions = [json.loads(path.read_text(encoding="utf-8")) for path in options.fusions]
    for fusion in fusions:
        fusion["run"]["title"] = options.spec["titles"][fusion["run"]["dataset"]]
    return scores, fusions, {s.run["title"]: s.run["n_listed"] for s in scores}


def table1(options: argparse.Namespace) -> None:
    """Make Table 1: two streams, the students, and the rows that the paper cites."""
    from dsnet import tables

    scores, fusions, listed = _results(options)
    chosen = options.spec["tables"]
    table = tables.table1(
        scores, fusions, options.spec["streams"], chosen["two_stream"], chosen["students"]
    )
    tables.write(table, tables.render_table1(table, listed), *options.output)


def table2(options: argparse.Namespace) -> None:
    """Make Table 2, the ablation."""
    from dsnet import tables

    scores, fusions, listed = _results(options)
    table = tables.table2(scores, fusions, options.spec["tables"]["ablation"])
    tables.write(table, tables.render_table2(table, listed), *options.output)


def claims(options: argparse.Namespace) -> None:
    """Answer whether what is claimed holds here."""
    from dsnet import tables

    scores, fusions, _ = _results(options)
    spec = options.spec
    table = tables.claims(scores, fusions, spec["streams"], spec["tables"]["claims"])
    tables.write(table, tables.render_claims(table), *options.output)


def study(options: argparse.Namespace) -> None:
    """Gather results in groups."""
    from dsnet import tables

    scores, fusions, _ = _results(options)
    spec = options.spec
    table = tables.study(scores, fusions, spec["streams"], spec["tables"]["study"])
    tables.write(table, tables.render_study(table), *options.output)


def significance(options: argparse.Namespace) -> None:
    """Test which methods differ beyond chance."""
    from dsnet import tables

    table = tables.significance(_scores(options), options.spec["streams"])
    tables.write(table, tables.render_significance(table), *options.output)


def figures(options: argparse.Namespace) -> None:
    """Draw training curves, confusion matrices and the per-class difference."""
    from dsnet import figures

    spec, png, svg = options.spec, options.output[:3], options.output[3:]
    compare = spec["tables"]["compare"]
    figures.draw_run(options.scores, options.histories, spec["streams"], compare, png, svg)


def contact(options: argparse.Namespace) -> None:
    """Draw frames and flow of some videos."""
    from dsnet import figures

    figures.draw_contact(options.clips, *options.output)


def intervals(options: argparse.Namespace) -> None:
    """Draw the intervals of claims or of a study."""
    import pandas as pd

    from dsnet import figures

    figures.save(figures.intervals(pd.read_csv(options.table)), *options.output)


def bars(options: argparse.Namespace) -> None:
    """Draw Table 1's measured rows."""
    import pandas as pd

    from dsnet import figures

    figures.save(figures.table1_bars(pd.read_csv(options.table)), *options.output)


def checkpoint(options: argparse.Namespace) -> None:
    """Inspect or convert a file of weights."""
    from dsnet import models

    if options.action == "inspect":
        print(models.inspect(options.file).describe())
        return
    names = options.classes and options.classes.read_text(encoding="utf-8").splitlines()
    models.convert(options.file, options.output, names)
