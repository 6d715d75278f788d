"""The stages that make tables, each as CSV, Markdown, LaTeX and HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dsnet.experiment import Experiment
from dsnet.experiment.specs import ShownSpec, shown_spec
from dsnet.stages.stage import Inputs, MaybeInputs, Outputs, Wildcards, stage

WRITTEN = "dsnet.tables.formats"
LAID_OUT = ("dsnet.tables.results", "dsnet.tables.layout", WRITTEN)
PAPER = ("paper/*.csv",)


def _of(*keys: str) -> Any:
    """Make the spec of what needs the ``keys`` of ``tables``."""

    def make(experiment: Experiment, wildcards: Wildcards) -> ShownSpec:
        return shown_spec(experiment, *keys)

    return make


def _read(
    spec: ShownSpec, scores: list[Path], fusions: list[Path] | None
) -> tuple[list[Any], list[Any]]:
    """Read what a table is made of: scores, and fusions, of which there may be none."""
    from dsnet import tables

    found = tables.titled_fusions(fusions or [], spec.names)
    return tables.titled_scores(scores, spec.names), found


@stage(spec=_of("two_stream", "students"), code=LAID_OUT, files=PAPER)
def table1(spec: ShownSpec, scores: Inputs, fusions: MaybeInputs, output: Outputs) -> None:
    """Make Table 1: two streams, the students, and the rows that the paper cites."""
    from dsnet import tables

    read, chosen = _read(spec, scores, fusions), spec.tables
    table = tables.table1(
        *read, spec.by_name(), chosen.two_stream, chosen.students or [], spec.datasets
    )
    listed = tables.listed(read[0])
    page = tables.render_table1(table, listed, tables.DETAILED)
    tables.write(table, tables.render_table1(table, listed), *output, page=page)


@stage(spec=_of("ablation"), code=LAID_OUT, files=PAPER)
def table2(spec: ShownSpec, scores: Inputs, fusions: MaybeInputs, output: Outputs) -> None:
    """Make Table 2, the ablation."""
    from dsnet import tables

    read = _read(spec, scores, fusions)
    table = tables.table2(*read, [row.values() for row in spec.tables.ablation])
    tables.write(table, tables.render_table2(table, tables.listed(read[0])), *output)


@stage(spec=_of(), code=("dsnet.tables.significance", WRITTEN))
def significance(spec: ShownSpec, scores: Inputs, fusions: MaybeInputs, output: Outputs) -> None:
    """Test which methods differ beyond chance."""
    from dsnet import tables

    read, _ = _read(spec, scores, fusions)
    table = tables.significance(read, spec.by_name())
    tables.write(table, tables.render_significance(table), *output)


@stage(spec=_of("claims"), code=("dsnet.tables.study", WRITTEN))
def claims(spec: ShownSpec, scores: Inputs, fusions: MaybeInputs, output: Outputs) -> None:
    """Answer whether what is claimed holds here."""
    from dsnet import tables

    rows = [claim.values() for claim in spec.tables.claims]
    table = tables.claims(*_read(spec, scores, fusions), spec.by_name(), rows)
    tables.write(table, tables.render_claims(table), *output)


@stage(spec=_of("study"), code=("dsnet.tables.study", WRITTEN))
def study(spec: ShownSpec, scores: Inputs, fusions: MaybeInputs, output: Outputs) -> None:
    """Gather results in groups."""
    from dsnet import tables

    rows = [group.values() for group in spec.tables.study]
    table = tables.study(*_read(spec, scores, fusions), spec.by_name(), rows)
    tables.write(table, tables.render_study(table), *output)
