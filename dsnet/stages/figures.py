"""The stages that draw figures, each as PNG and SVG, and write pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dsnet.experiment import Experiment, streams
from dsnet.experiment.specs import ShownSpec, shown_spec
from dsnet.stages.stage import Input, Inputs, Output, Outputs, Wildcards, stage


def _templates(page: str) -> tuple[str, ...]:
    """Return the files that a page is made from."""
    return tuple(f"pages/templates/{name}" for name in (f"{page}.html", "page.html", "style.css"))


def _mapped(experiment: Experiment, wildcards: Wildcards) -> ShownSpec:
    return shown_spec(experiment, only=experiment.streams, shown=streams.mapped_streams(experiment))


def _of_classes(experiment: Experiment, wildcards: Wildcards) -> ShownSpec:
    names = {*streams.featured(experiment), *streams.shown(experiment)}
    return shown_spec(experiment, only=names)


def _weighed(experiment: Experiment, wildcards: Wildcards) -> ShownSpec:
    return shown_spec(experiment, "two_stream", only=streams.attention_streams(experiment))


def _summed_up(experiment: Experiment, wildcards: Wildcards) -> ShownSpec:
    (rgb, flow), student = experiment.tables.two_stream, experiment.tables.compare[0]
    return shown_spec(experiment, only={rgb, student, flow}, shown=(rgb, student, flow))


@stage(
    spec=lambda experiment, wildcards: shown_spec(experiment, "compare"),
    code=("dsnet.figures.scores",),
)
def figures(spec: ShownSpec, scores: Inputs, histories: Inputs, output: Outputs) -> None:
    """Draw training curves, confusion matrices and the per-class difference of two streams."""
    from dsnet import figures

    png, svg = output[:4], output[4:]
    figures.draw_run(scores, histories, spec.by_name(), spec.tables.compare, png, svg)


@stage(spec=_weighed, code=("dsnet.figures.attention",))
def attention(spec: ShownSpec, fusions: Inputs, output: Outputs) -> None:
    """Draw what the attention fusion weighs, per class."""
    from dsnet import figures, fusion

    read = map(fusion.read, fusions)
    drawn = figures.attention_weights(list(read), spec.by_name(), spec.tables.two_stream[0])
    figures.save(drawn, *output)


@stage(code=("dsnet.figures.contact",))
def contact(clips: Input, output: Outputs) -> None:
    """Draw frames and flow of some videos."""
    from dsnet import figures

    figures.draw_contact(clips, *output)


@stage(code=("dsnet.figures.bars",))
def bars(table: Input, output: Outputs) -> None:
    """Draw Table 1's measured rows."""
    from dsnet import csvs, figures

    figures.save(figures.table1_bars(csvs.read(table)), *output)


@stage(code=("dsnet.figures.cost",))
def cost(table: Input, latency: Input, output: Outputs) -> None:
    """Draw accuracy against the time that a clip costs."""
    from dsnet import csvs, figures

    figures.save(figures.accuracy_cost(csvs.read(table), csvs.read(latency)), *output)


@stage(code=("dsnet.figures.intervals",))
def intervals(table: Input, output: Outputs) -> None:
    """Draw the intervals of claims or of a study."""
    from dsnet import csvs, figures

    figures.save(figures.intervals(csvs.read(table)), *output)


@stage(spec=_mapped, code=("dsnet.figures.features",))
def feature_maps(spec: ShownSpec, tables: Inputs, maps: Input, output: Outputs) -> None:
    """Draw how alike features are, and maps of them."""
    from dsnet.figures.features import draw_features

    draw_features(tables, maps, spec.titles(), spec.shown, output[:2], output[2:])


@stage(
    spec=_of_classes,
    code=("dsnet.pages.classes", "dsnet.tables.classes", "dsnet.tables.formats"),
    files=_templates("classes"),
)
def classes(spec: ShownSpec, clips: Input, scores: Inputs, every: Inputs, output: Outputs) -> None:
    """Write a page with frames, flow and scores over time of every class, and their accuracies."""
    from dsnet import tables
    from dsnet.pages import classes_page
    from dsnet.provenance import replacing

    page, csv = output
    classes_page(clips, scores, spec.titles(), page)
    table = tables.classes_table(tables.titled_scores(every, spec.names), spec.titles())
    with replacing(csv) as temporary:
        temporary.write_text(tables.to_csv(table), encoding="utf-8")


@stage(
    spec=_summed_up,
    code=("dsnet.pages.summary",),
    files=("pages/templates/summary.html",),
)
def summary(spec: ShownSpec, table: Input, latency: Input, picture: Input, output: Output) -> None:
    """Write what a run found, in three numbers and one picture."""
    from dsnet import csvs, pages

    read = csvs.read(table), csvs.read(latency)
    pages.summary_page(*read, spec.shown, spec.titles(), picture, output)


@stage(
    spec=lambda experiment, wildcards: shown_spec(experiment),
    code=("dsnet.pages.provenance",),
    files=_templates("provenance"),
)
def provenance(
    spec: ShownSpec,
    clips: Inputs,
    models: Inputs,
    scores: Inputs,
    fusions: Inputs,
    benchmarks: Annotated[Path, "{{params.benchmarks:q}}", "folder of Snakemake's measurements"],
    output: Output,
) -> None:
    """Write what a run was made with, and what it cost."""
    from dsnet.pages import provenance_page

    provenance_page(clips, models, scores, fusions, benchmarks, spec.titles(), output)
