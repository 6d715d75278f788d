"""The verbs that make pages to read in a browser."""

from __future__ import annotations

import argparse

from dsnet.cli.options import Verb, paths, spec


def add(verb: Verb) -> None:
    """Add the verbs to the command line."""
    sub = verb(classes)
    spec(sub, "the streams' titles")
    paths(sub, "clips")
    paths(sub, "scores", nargs=3, help="of the RGB stream, the student and its teacher")
    paths(sub, "output", help="the page, .html")

    sub = verb(provenance)
    spec(sub, "the streams' titles")
    paths(sub, "clips", "models", "scores", "fusions", nargs="+")
    paths(sub, "benchmarks", help="the folder of Snakemake's measurements")
    paths(sub, "output", help="the page, .html")


def classes(options: argparse.Namespace) -> None:
    """Write a page with frames, flow and scores over time of every class."""
    from dsnet.pages import classes_page

    classes_page(options.clips, options.scores, options.spec, options.output)


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
