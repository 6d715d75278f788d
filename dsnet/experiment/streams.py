"""Streams and fusions in the tables, figures and pages of an experiment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dsnet import registry
from dsnet.experiment.data import IMPORTED
from dsnet.experiment.experiment import Experiment
from dsnet.experiment.results import Result, Row

# A fusion: its streams in the order of its file, and the kind.
Fusion = tuple[tuple[str, ...], str]


def named_results(experiment: Experiment) -> Iterator[tuple[str, Result | Row]]:
    """Yield the keys of ``tables`` that name a stream or fusion, and their values."""
    for number, line in enumerate(experiment.tables.ablation):
        yield f"tables.ablation.{number}", line
    for number, claim in enumerate(experiment.tables.claims):
        for key in ("method", "against"):
            yield f"tables.claims.{number}.{key}", getattr(claim, key)
    for number, group in enumerate(experiment.tables.study):
        for place, row in enumerate(group.rows):
            yield f"tables.study.{number}.rows.{place}", row


def following(experiment: Experiment, left_out: set[str]) -> Experiment:
    """Return the experiment with ``tables`` of the streams that are there.

    ``left_out`` are the streams that an overlay set to null. Rows and claims that need one of them
    go, and so do they in ``students`` and in lists to choose from. ``compare`` keeps what is there.
    Otherwise it gets the last student of Table 1, and then the two streams.
    """

    def kept(row: Any) -> Any:
        names = [name for name in row.names() if name not in left_out]
        if not names or left_out.intersection(row.fuse):
            return None
        return row if isinstance(row.stream, str) else row.model_copy(update={"stream": names})

    tables = experiment.tables
    claims = [
        claim.model_copy(update={key: kept(getattr(claim, key)) for key in ("method", "against")})
        for claim in tables.claims
    ]
    groups = [
        group.model_copy(update={"rows": [new for row in group.rows if (new := kept(row))]})
        for group in tables.study
    ]
    listed = tables.students
    update: dict[str, Any] = {
        "ablation": [row for row in tables.ablation if kept(row)],
        "claims": [claim for claim in claims if claim.method and claim.against],
        "study": [group for group in groups if group.rows],
        "students": listed and [name for name in listed if name not in left_out],
    }
    experiment = experiment.model_copy(update={"tables": tables.model_copy(update=update)})
    compare = [name for name in tables.compare if name not in left_out]
    if len(compare) < len(tables.compare):
        names = dict.fromkeys([*(compare or students(experiment)[-1:]), *tables.two_stream])
        update["compare"] = list(names)[:2]
    return experiment.model_copy(update={"tables": tables.model_copy(update=update)})


def losses_by_name(experiment: Experiment) -> dict[str, str]:
    """Return the places of all losses, from dsnet and from ``plugins`` (:mod:`dsnet.registry`)."""
    return registry.places("LOSSES", registry.LOSSES, experiment.plugins)


def fusion_kinds(experiment: Experiment) -> dict[str, str]:
    """Return the places of all fusions, from dsnet and from ``plugins``."""
    return registry.places("FUSIONS", registry.FUSIONS, experiment.plugins)


def students(experiment: Experiment) -> list[str]:
    """Return the RGB streams under "Mimic" in Table 1, by default all but the two-stream one."""
    listed = experiment.tables.students
    return [
        name
        for name, stream in experiment.streams.items()
        if (stream.input == "rgb" and name not in experiment.tables.two_stream)
        and (listed is None or name in listed)
    ]


def distilled(experiment: Experiment) -> list[str]:
    """Return the streams that have a teacher, whether Table 1 has them or not."""
    return [name for name, stream in experiment.streams.items() if stream.teacher]


def shown(experiment: Experiment) -> list[str]:
    """Return the streams of Table 1, which figures and pairs of methods show too."""
    names = [*experiment.tables.two_stream, *students(experiment)]
    return [name for name in experiment.streams if name in names]


def featured(experiment: Experiment) -> tuple[str, str, str]:
    """Return the RGB stream, the student that figures and pages compare with it, its teacher."""
    rgb, student = experiment.tables.two_stream[0], experiment.tables.compare[0]
    return rgb, student, _flow_beside(experiment, student)


def _flow_beside(experiment: Experiment, name: str) -> str:
    """Return the flow stream for an RGB stream: its teacher, or the one in ``two_stream``."""
    return experiment.streams[name].teacher or experiment.tables.two_stream[1]


def similarity_teachers(experiment: Experiment) -> dict[str, str]:
    """Return the flow stream to compare features with, by RGB stream."""
    rgb = [name for name in shown(experiment) if experiment.streams[name].input == "rgb"]
    return {name: _flow_beside(experiment, name) for name in rgb}


def similarity_streams(experiment: Experiment) -> list[str]:
    """Return the streams with compared features, the teachers first."""
    teachers = similarity_teachers(experiment)
    return list(dict.fromkeys([*teachers.values(), *teachers]))


def mapped_streams(experiment: Experiment) -> list[str]:
    """Return the streams with drawn feature maps: teacher, student, rival and RGB."""
    rgb, student, teacher = featured(experiment)
    return list(dict.fromkeys([teacher, student, *experiment.tables.compare, rgb]))


# --- fusions -------------------------------------------------------------------------------


def fused(experiment: Experiment, names: Iterable[str]) -> tuple[str, ...]:
    """Return the streams of a fusion in the order of its file: students, RGB stream, flow streams.

    The same streams have one file, for any order in the configuration.
    """
    streams, rgb = experiment.streams, experiment.tables.two_stream[0]
    order = list(streams)
    return tuple(
        sorted(names, key=lambda n: (streams[n].input == "flow", n == rgb, order.index(n)))
    )


def fusions(experiment: Experiment) -> list[Fusion]:
    """Return the fusions that the tables need, without repetition.

    These are every student with the RGB stream, with its teacher, and with both, and the two
    streams, by average and by attention; and the fusions in ablation, claims and study.
    """
    rgb, flow = experiment.tables.two_stream
    wanted: list[tuple[str, ...]] = [(rgb, flow)]
    for name in students(experiment):
        teacher = _flow_beside(experiment, name)
        wanted += [(name, rgb), (name, teacher), (name, rgb, teacher)]
    chosen = [(fused(experiment, names), kind) for names in wanted for kind in registry.FUSIONS]
    chosen += _fusions_of(experiment, (row for _, row in named_results(experiment)))
    return list(dict.fromkeys(chosen))


def ablation_fusions(experiment: Experiment) -> list[Fusion]:
    """Return the fusions of Table 2."""
    return list(dict.fromkeys(_fusions_of(experiment, experiment.tables.ablation)))


def batches(experiment: Experiment) -> dict[str, list[Fusion]]:
    """Return the fusions that one job makes, by the job's name: those with the same readers.

    Beside Table 1, these are Table 2 and the figure of the attention. So none of the three waits
    for a stream that it does not show, or is made again because of one.
    """
    ablation = ablation_fusions(experiment)
    drawn = [(names, "attention") for names in attention_fusions(experiment)]
    found: dict[str, list[Fusion]] = {}
    for each in fusions(experiment):
        readers = ["table2"] * (each in ablation) + ["figure"] * (each in drawn)
        found.setdefault("_".join(["fuse", *readers]), []).append(each)
    return found


def _fusions_of(experiment: Experiment, rows: Iterable[Result | Row]) -> list[Fusion]:
    """Return the fusions among results that ``tables`` names."""
    return [(fused(experiment, (*row.names(), *row.fuse)), row.by) for row in rows if row.fuse]


def attention_streams(experiment: Experiment) -> set[str]:
    """Return the streams with drawn weights in the attention fusion."""
    return {*featured(experiment), *experiment.tables.two_stream}


def attention_fusions(experiment: Experiment) -> list[tuple[str, ...]]:
    """Return the streams of their attention fusions; first the student's with its teacher."""
    _, student, teacher = featured(experiment)
    names = [names for names, kind in fusions(experiment) if kind == "attention"]
    names = [n for n in names if attention_streams(experiment).issuperset(n)]
    return sorted(names, key=lambda n: (student not in n, teacher not in n, len(n)))


def latency_rows(experiment: Experiment) -> list[tuple[str, list[str]]]:
    """Return titles and streams: RGB, flow and the student, each alone and fused as in Table 1.

    What imported flow costs is not known, so the rows with it are left out.
    """
    rgb, student, teacher = featured(experiment)
    flow = experiment.tables.two_stream[1]
    wanted = [(rgb,), (flow,), (rgb, flow), (student,), (student, rgb), (student, teacher)]
    wanted.append((student, rgb, teacher))
    if experiment.flow.algorithm == IMPORTED:
        wanted = [names for names in wanted if not {flow, teacher} & {*names}]
    rows = dict.fromkeys(fused(experiment, set(names)) for names in wanted)
    title = experiment.titles()
    return [(" + ".join(title[name] for name in names), list(names)) for names in rows]
