"""The verbs that make tables and figures."""

from __future__ import annotations

import argparse
import json
from typing import Any

from dsnet.cli.options import Verb, compute, paths, spec

FORMATS = "the table as .csv, .md, .tex and .html"


def add(verb: Verb) -> None:
    """Add the verbs to the command line."""
    for run in (table1, table2, claims, study):
        sub = verb(run)
        spec(sub, "streams, tables and titles of the config")
        paths(sub, "scores", nargs="+")
        paths(sub, "fusions", nargs="*", help="none where no row fuses")
        paths(sub, "output", nargs=4, help=FORMATS)

    sub = verb(significance)
    spec(sub, "streams and titles of the config")
    paths(sub, "scores", nargs="+")
    paths(sub, "output", nargs=4, help=FORMATS)

    sub = verb(latency)
    spec(sub, "options, and rows of title and streams")
    paths(sub, "clips")
    paths(sub, "models", nargs="+", help="one per stream that the rows name, in their order")
    paths(sub, "output", nargs=4, help=FORMATS)
    compute(sub)

    sub = verb(figures)
    spec(sub, "streams and tables of the config")
    paths(sub, "scores", "histories", nargs="+")
    paths(sub, "output", nargs=8, help="four .png, then the same as .svg")

    sub = verb(attention)
    spec(sub, "titles and inputs of the streams, and the RGB stream of the two-stream method")
    paths(sub, "fusions", nargs="+", help="by attention, of every seed")
    paths(sub, "output", nargs=2, help=".png and .svg")

    sub = verb(contact)
    paths(sub, "clips")
    paths(sub, "output", nargs=2, help=".png and .svg")

    sub = verb(intervals)
    paths(sub, "table", help="claims.csv or study.csv")
    paths(sub, "output", nargs=2, help=".png and .svg")

    sub = verb(bars)
    paths(sub, "table", help="table1.csv")
    paths(sub, "output", nargs=2, help=".png and .svg")

    sub = verb(cost)
    paths(sub, "table", help="table1.csv")
    paths(sub, "latency", help="latency.csv")
    paths(sub, "output", nargs=2, help=".png and .svg")


def _results(options: argparse.Namespace) -> tuple[list[Any], list[Any]]:
    """The scores and the fusions that a table is made of."""
    from dsnet import tables

    titles = options.spec["titles"]
    return (
        tables.titled_scores(options.scores, titles),
        tables.titled_fusions(options.fusions, titles),
    )


def table1(options: argparse.Namespace) -> None:
    """Make Table 1: two streams, the students, and the rows that the paper cites."""
    from dsnet import tables

    scores, fusions = _results(options)
    chosen = options.spec["tables"]
    table = tables.table1(
        scores,
        fusions,
        options.spec["streams"],
        chosen["two_stream"],
        chosen["students"],
        options.spec["kinds"],
    )
    listed = tables.listed(scores)
    page = tables.render_table1(table, listed, tables.DETAILED)
    tables.write(table, tables.render_table1(table, listed), *options.output, page=page)


def table2(options: argparse.Namespace) -> None:
    """Make Table 2, the ablation."""
    from dsnet import tables

    scores, fusions = _results(options)
    table = tables.table2(scores, fusions, options.spec["tables"]["ablation"])
    tables.write(table, tables.render_table2(table, tables.listed(scores)), *options.output)


def claims(options: argparse.Namespace) -> None:
    """Answer whether what is claimed holds here."""
    from dsnet import tables

    scores, fusions = _results(options)
    streams, rows = options.spec["streams"], options.spec["tables"]["claims"]
    table = tables.claims(scores, fusions, streams, rows)
    tables.write(table, tables.render_claims(table), *options.output)


def study(options: argparse.Namespace) -> None:
    """Gather results in groups."""
    from dsnet import tables

    scores, fusions = _results(options)
    streams, rows = options.spec["streams"], options.spec["tables"]["study"]
    table = tables.study(scores, fusions, streams, rows)
    tables.write(table, tables.render_study(table), *options.output)


def significance(options: argparse.Namespace) -> None:
    """Test which methods differ beyond chance."""
    from dsnet import tables

    scores = tables.titled_scores(options.scores, options.spec["titles"])
    table = tables.significance(scores, options.spec["streams"])
    tables.write(table, tables.render_significance(table), *options.output)


def latency(options: argparse.Namespace) -> None:
    """Measure what inference costs, with and without flow."""
    from dsnet import latency, tables

    paths = iter(options.models)
    rows = [(title, [next(paths) for _ in streams]) for title, streams in options.spec["rows"]]
    table = latency.measure(
        rows, options.clips, options.spec["options"], options.device, options.threads
    )
    tables.write(table, latency.render(table), *options.output)


def figures(options: argparse.Namespace) -> None:
    """Draw training curves, confusion matrices and the per-class difference."""
    from dsnet import figures

    streams, compare = options.spec["streams"], options.spec["tables"]["compare"]
    png, svg = options.output[:4], options.output[4:]
    figures.draw_run(options.scores, options.histories, streams, compare, png, svg)


def contact(options: argparse.Namespace) -> None:
    """Draw frames and flow of some videos."""
    from dsnet import figures

    figures.draw_contact(options.clips, *options.output)


def intervals(options: argparse.Namespace) -> None:
    """Draw the intervals of claims or of a study."""
    from dsnet import csvs, figures

    figures.save(figures.intervals(csvs.read(options.table)), *options.output)


def bars(options: argparse.Namespace) -> None:
    """Draw Table 1's measured rows."""
    from dsnet import csvs, figures

    figures.save(figures.table1_bars(csvs.read(options.table)), *options.output)


def cost(options: argparse.Namespace) -> None:
    """Draw accuracy against the time that a clip costs."""
    from dsnet import csvs, figures

    table, timed = csvs.read(options.table), csvs.read(options.latency)
    figures.save(figures.accuracy_cost(table, timed), *options.output)


def attention(options: argparse.Namespace) -> None:
    """Draw what the attention fusion weighs, per class."""
    from dsnet import figures

    fusions = [json.loads(path.read_text(encoding="utf-8")) for path in options.fusions]
    drawn = figures.attention_weights(fusions, options.spec["streams"], options.spec["rgb"])
    figures.save(drawn, *options.output)
