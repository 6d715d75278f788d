"""Provenance of a run: versions, commits and settings of artifacts, time and memory of jobs.

Snakemake's report has the rules, the configuration and the run time of each job. It does not have
the commit and machine of each artifact, and the warnings of trainings.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dsnet import clips, costs, fusion
from dsnet.models import checkpoints
from dsnet.pages.page import write
from dsnet.provenance import canonical
from dsnet.scores import open_scores
from dsnet.store import Reader

Row = dict[str, Any]  # a line of a table by column name
Section = tuple[str, str, list[Row]]  # heading, note and table
NOTHING = "—"
MAKERS = (
    "A commit with a plus was edited when the artifact was made. With more than one line, parts of "
    "the run were made anew after a change."
)
COSTS = (
    "Of every job's last run; memory is the largest resident set. CPU time is a lower bound: it "
    "lacks up to the last 30 seconds of a job that is longer than 15, and programs which a job "
    "starts and which soon end (ffmpeg)."
)


def provenance_page(
    clips_paths: Sequence[Path],
    models: Sequence[Path],
    scores: Sequence[Path],
    fusions: Sequence[Path],
    benchmarks: Path,
    titles: Mapping[str, str],
    output: Path,
) -> None:
    """Write the records in the artifacts of an experiment, and the cost of their jobs.

    Args:
        clips_paths: ``clips.h5`` of every data set.
        models: ``model.pt`` of every stream and run.
        scores: ``scores.h5`` of the same.
        fusions: the JSON of every fusion.
        benchmarks: the folder of Snakemake's measurements.
        titles: the streams' titles, in the order to show.
        output: the page.

    Raises:
        CostError: there are no measurements.
        RemakeError: one of ``clips_paths``, ``scores`` or ``fusions`` is damaged.
        CheckpointError: one of ``models`` is damaged.
    """
    readers = {path.parent.name: clips.open_clips(path) for path in clips_paths}
    streams = list(titles)
    trained = sorted(
        map(_model, models),
        key=lambda item: (streams.index(item["run"]["stream"]), canonical(item["run"])),
    )
    fused = [fusion.read(path) for path in fusions]
    records = {
        "clips": [reader.provenance for reader in readers.values()],
        "models": [item["provenance"] for item in trained],
        "scores": [_scored(path) for path in scores],
        "fusions": [item["provenance"] for item in fused],
    }
    made = {item["place"] for item in trained}
    jobs = costs.jobs(benchmarks)
    jobs = jobs[costs.belonging(jobs, set(readers), made)]
    specs = [(item["run"]["stream"], {**item["spec"], "run": {}}) for item in trained]
    fits = [(item["run"]["kind"], {**item["spec"], "kind": {}}) for item in fused]
    sections = [
        ("Runs", "", [_runs([item["run"] for item in trained])]),
        ("Versions and commit", MAKERS, _makers(records)),
        ("Time and memory", COSTS, _stages(jobs)),
        ("Trainings", "", [_training(item, titles, jobs) for item in trained]),
        ("Data", "", [_data(name, reader) for name, reader in readers.items()]),
        *settings("data", [(name, reader.spec) for name, reader in readers.items()]),
        *settings("streams", specs),
        *settings("attention fusion", [(kind, spec) for kind, spec in fits if kind != "average"]),
    ]
    write("provenance.html", output, sections=[section for section in sections if section[2]])


def _last(path: Path, parts: int) -> str:
    """Return the last parts of a path: for an artifact, those from the data set on."""
    return "/".join(path.parts[-parts:])


def _model(path: Path) -> Row:
    """Return the record in a ``model.pt``, and its place, as ``motions/split1/16f/seed0/ds``."""
    content = checkpoints.read(path, weights=False)
    checkpoints.check_version(content, path)
    return {**content, "place": _last(path.parent, 5), "run": content["spec"]["run"]}


def _scored(path: Path) -> Any:
    with open_scores(path) as file:
        return json.loads(file.attrs["provenance"])


def _runs(runs: Sequence[Row]) -> Row:
    """Return the different values of each key of the runs."""
    keys = {"protocol": "Protocol", "dataset": "Data sets", "split": "Splits"}
    keys |= {"clip_length": "Frames", "seed": "Seeds"}
    found = {head: sorted({run[key] for run in runs}) for key, head in keys.items()}
    found["Streams"] = list(dict.fromkeys(run["stream"] for run in runs))
    return {head: _words(values) for head, values in found.items()}


def _makers(records: Mapping[str, Iterable[Row]]) -> list[Row]:
    """Return the different records of code, packages and machine, with counts of artifacts."""
    counts: dict[str, Counter[str]] = {}
    for kind, items in records.items():
        for item in items:  # device and processes are shown with each training
            of_all = {k: v for k, v in item.items() if k not in ("device", "processes")}
            counts.setdefault(canonical(of_all), Counter())[kind] += 1
    rows = []
    for text, count in counts.items():
        made = json.loads(text)
        row = {head: made[head.lower()] for head in ("Commit", "Python", "Machine")}
        packages = [
            f"{name}\N{NO-BREAK SPACE}{made['versions'][name]}" for name in made["versions"]
        ]
        of = [f"{number}\N{NO-BREAK SPACE}{kind}" for kind, number in count.items()]
        rows.append({**row, "Packages": ", ".join(packages), "Made": ", ".join(of)})
    return rows


def _stages(jobs: pd.DataFrame) -> list[Row]:
    """Return jobs, time and memory of each stage, and of all together."""
    total = jobs["seconds"].sum()
    return [
        {
            "Stage": name,
            "Jobs": len(part),
            "Time of all jobs": duration(part["seconds"].sum()),
            "Share": f"{part['seconds'].sum() / total:.1%}",
            "CPU time": duration(part["cpu_seconds"].sum()),
            "Longest job": duration(part["seconds"].max()),
            "Memory, MB": number(part["memory_mb"].max()),
        }
        for name, part in [*jobs.groupby("stage", sort=False), ("all", jobs)]
    ]


def _training(item: Row, titles: Mapping[str, str], jobs: pd.DataFrame) -> Row:
    """Return a training, with a dash for what Snakemake did not measure."""
    run, made = item["run"], item["provenance"]
    job = jobs[jobs["place"] == f"{item['place']}/train"].max()
    where = f"{run['dataset']}, split {run['split']}, {run['clip_length']} frames"
    return {
        "Stream": titles[run["stream"]],
        "Run": f"{where}, seed {run['seed']}",
        "Device": made["device"],
        "Processes": made["processes"],
        "Epoch selected": f"{item['epoch']} of {item['last']['epoch']}",
        "Time": duration(job["seconds"]),
        "Memory, MB": number(job["memory_mb"]),
        "Warnings": "; ".join(item["warnings"]) or "none",
    }


def _data(name: str, reader: Reader) -> Row:
    extra = reader.extra
    return {
        "Data set": name,
        "Usable videos": len(reader.videos),
        **{"Listed": extra["n_listed"], "Missing": extra["n_missing"]},
        **{"Classes": len(extra["classes"]), "Flow": "; ".join(extra["flow_backends"])},
    }


def settings(of: str, specs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Section]:
    """Return settings in two tables: those that differ between names, and those that are the same.

    A name with several specs, such as of several data sets, has all its values.
    """
    table = pd.DataFrame([flat(spec) for _, spec in specs], [name for name, _ in specs], dtype=str)
    by_name = table.groupby(level=0, sort=False)
    table = by_name.agg(lambda values: " or ".join(values.dropna().unique()))  # type: ignore[misc]
    table = table.T.replace("", NOTHING)
    same = table.nunique(axis=1) == 1
    differ = [{"Setting": key, **values} for key, values in table[~same].T.to_dict().items()]
    shared = [{"Setting": key, "Value": value} for key, value, *_ in table[same].itertuples()]
    return [
        (f"Settings of the {of} that differ", "", differ),
        (f"Settings of the {of}", "", shared),
    ]


def flat(spec: Any, path: str = "") -> dict[str, str]:
    """Flatten nested settings to ``a.b.c`` and the value in words; lists are values."""
    if not isinstance(spec, Mapping):
        return {path: _words(spec)}
    found: dict[str, str] = {}
    for key, value in spec.items():
        found |= flat(value, f"{path}.{key}".removeprefix("."))
    return found


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    words = {None: "none", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def number(value: float) -> str:
    """Format a whole number with thousands separators; a dash if it is unknown."""
    return NOTHING if math.isnan(value) else f"{value:,.0f}"


def duration(seconds: float) -> str:
    """Format ``1 h 02 min``, ``3 min 20 s`` or ``4.2 s``; a dash if it is unknown."""
    if math.isnan(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
