"""The verbs that make pages to read in a browser."""

from __future__ import annotations

import argparse

from dsnet.cli.options import Verb, paths, spec


def add(verb: Verb) -> None:
    """Add the verbs to the command line."""
    sub = verb(provenance)
    spec(sub, "the streams' titles")
    paths(sub, "clips", "models", "scores", "fusions", nargs="+")
    paths(sub, "benchmarks", help="the folder of Snakemake's measurements")
    paths(sub, "output", help="the page, .html")


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
