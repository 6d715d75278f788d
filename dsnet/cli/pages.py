"""The verbs that make pages to read in a browser, and show what distillation did to features."""

from __future__ import annotations

import argparse

from dsnet.cli.options import Verb, compute, paths, spec


def add(verb: Verb) -> None:
    """Add the verbs to the command line."""
    sub = verb(classes)
    spec(sub, "the streams' titles")
    paths(sub, "clips")
    paths(sub, "scores", nargs=3, help="of the RGB stream, the student and its teacher")
    paths(sub, "output", help="the page, .html")

    sub = verb(similarity)
    spec(sub, "streams, in the order of the models, and the teacher of each RGB stream")
    paths(sub, "clips")
    paths(sub, "models", nargs="+")
    paths(sub, "table", help="how alike the features are, .csv")
    paths(sub, "output", help="maps of some clips, .npz")
    compute(sub)

    sub = verb(features)
    spec(sub, "the streams' titles, and the streams whose maps are shown")
    paths(sub, "tables", nargs="+", help="similarity.csv of every seed")
    paths(sub, "maps", help="maps.npz")
    paths(sub, "output", nargs=4, help="two .png, then the same as .svg")

    sub = verb(provenance)
    spec(sub, "the streams' titles")
    paths(sub, "clips", "models", "scores", "fusions", nargs="+")
    paths(sub, "benchmarks", help="the folder of Snakemake's measurements")
    paths(sub, "output", help="the page, .html")


def classes(options: argparse.Namespace) -> None:
    """Write a page with frames, flow and scores over time of every class."""
    from dsnet.pages import classes_page

    classes_page(options.clips, options.scores, options.spec, options.output)


def similarity(options: argparse.Namespace) -> None:
    """Compare the features of students with their teacher's."""
    from dsnet import similarity

    models = dict(zip(options.spec["streams"], options.models, strict=True))
    similarity.compare(
        models,
        options.spec["teachers"],
        options.clips,
        options.table,
        options.output,
        options.device,
        options.threads,
    )


def features(options: argparse.Namespace) -> None:
    """Draw how alike features are, and maps of them."""
    from dsnet.figures.features import draw_features

    titles, shown = options.spec["titles"], options.spec["shown"]
    png, svg = options.output[:2], options.output[2:]
    draw_features(options.tables, options.maps, titles, shown, png, svg)


def provenance(options: argparse.Namespace) -> None:
    """Write what a run was made with, and what it cost."""
    from dsnet.pages import provenance_page

    provenance_page(
        options.clips,
        options.models,
        options.scores,
        options.fusions,
        options.benchmarks,
        options.spec,
        options.output,
    )
