"""The live view: a line for every stage, and one for every running training."""

from __future__ import annotations

import time

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from snakemake_logger_plugin_dsnet.state import STAGES, Job, Stage, State, stage_of
from snakemake_logger_plugin_dsnet.trainings import Progress

BAR = 14  # columns
TRAININGS = 8  # with their own line
Training = tuple[Job, Progress | None]


def render(state: State) -> Group:
    """Draw the state for rich."""
    found = [(job, job.progress()) for job in state.jobs.values() if job.is_training]
    parts: list[RenderableType] = [_heading(state), _stages(state, found)]
    if found:
        parts.append(_trainings(found))
    if len(found) > TRAININGS:
        parts.append(Text(f"  and {len(found) - TRAININGS} more trainings", style="dim"))
    return Group(*parts)


def duration(seconds: float) -> str:
    """Format seconds as hours, minutes and seconds, such as ``1:02:03``."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def ended(job: Job) -> Text | None:
    """Describe a finished training in one line; ``None`` for other jobs."""
    last = job.progress()
    if last is None:
        return None
    took = duration(time.time() - job.started)
    return Text.assemble(
        ("trained ", "green"),
        f"{job.wildcards['stream']} of {job.run}: {last.epoch} epochs, loss {last.train_loss:.3f}, "
        f"validation {last.val_top1:.1f} %, {took}",
    )


def _heading(state: State) -> Text:
    done, total = state.count()
    failed = sum(len(stage.failed) for stage in state.stages.values())
    text = Text.assemble(
        ("dsnet ", "bold"), f"{done} of {total} jobs, {duration(time.time() - state.started)}"
    )
    if failed:
        text.append(f", {failed} failed", "bold red")
    return text


def _stages(state: State, found: list[Training]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=18)
    table.add_column(width=BAR)
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    for stage in state.stages.values():
        of_training = found if stage.name == "train" else []
        begun = sum(last.epoch / last.epochs for _, last in of_training if last)
        if stage.name == STAGES["flow_shard"]:
            begun = sum(job.share_of_flow() for job in state.jobs.values())
        table.add_row(
            stage.name,
            ProgressBar(stage.total, len(stage.done) + begun, BAR),
            f"{len(stage.done)}/{stage.total}",
            _note(state, stage, of_training, begun),
        )
    return table


def _note(state: State, stage: Stage, found: list[Training], begun: float) -> Text:
    """Describe a stage: running jobs, the time left, failures."""
    working = sum(stage_of(job.rule) == stage.name for job in state.jobs.values())
    text = Text()
    if stage.busy and len(stage.done) == stage.total:
        text.append(duration(stage.busy), "dim")
    elif working:
        text.append(f"{working} running")
        left = trainings_left(stage, found) if found else stage.left(begun)
        if left is not None:
            text.append(f", {duration(left)} left")
    if stage.failed:
        text.append(f"{', ' if text else ''}{len(stage.failed)} failed", "bold red")
    return text


def trainings_left(stage: Stage, found: list[Training]) -> float | None:
    """Estimate the seconds until all trainings end; ``None`` before the first epoch ends.

    The number of parallel trainings stays as it is. It uses the time of an epoch, not of whole
    trainings, since a resumed one has a lead.
    """
    known = [last for _, last in found if last is not None]
    if not known:
        return None
    whole = sum(last.epochs * last.each for last in known) / len(known)
    running = sum(last.left for last in known) + whole * (len(found) - len(known))
    waiting = stage.total - len(stage.done) - len(stage.failed) - len(found)
    return (running + whole * waiting) / len(found)


def _trainings(found: list[Training]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("  training", no_wrap=True)
    table.add_column("of", no_wrap=True, overflow="ellipsis")
    for heading, width in (("epoch", 7), ("loss", 7), ("validation", 10), ("left", 7)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=width)
    for job, last in found[:TRAININGS]:
        numbers = ["", "", "", ""]
        if last is not None:
            numbers = [
                f"{last.epoch}/{last.epochs}",
                f"{last.train_loss:.3f}",
                f"{last.val_top1:.1f} %",
                duration(last.left),
            ]
        table.add_row(f"  {job.wildcards['stream']}", job.run, *numbers)
    return table
