"""A stage is declared once: its rule's command and its verb follow from its function."""

import re
from pathlib import Path
from typing import Annotated

import pytest

from dsnet.cli import parser
from dsnet.experiment import specs
from dsnet.experiment.results import Fusion
from dsnet.provenance import canonical
from dsnet.stages import STAGES
from dsnet.stages.stage import Inputs, Jobs, MaybeInput, Outputs, Stage

SPEC = canonical(Fusion(lr=0.5).values())


def toy(
    spec: Fusion,
    scores: Inputs,
    start: MaybeInput,
    folder: Annotated[Path, "{{params.folder:q}}", "where to"],
    output: Outputs,
    max_videos: Annotated[int, "{{resources.most}}"] = 3,
    jobs: Jobs = 1,
) -> None:
    """Do something."""


@pytest.fixture
def stage(monkeypatch):
    """A toy among the stages."""
    made = Stage(toy, lambda experiment, wildcards: experiment.fusion, lambda *_: (), ())
    monkeypatch.setitem(STAGES, "toy", made)
    return made


def test_the_command_takes_each_parameter_from_its_place_in_the_rule(stage):
    assert stage.command() == (
        "python -m dsnet toy --spec {params.spec:q} --scores {input.scores:q}"
        " --start {input.start:q} --folder {params.folder:q} --output {output:q}"
        " --max-videos {resources.most} --jobs {threads} 2> {log:q}"
    )
    assert stage.command("{params.verb}").startswith("python -m dsnet {params.verb} --spec")


def test_the_verb_reads_what_the_command_gives(stage):
    words = ["--spec", SPEC, "--scores", "a", "b", "--start", "--folder", "f", "--output", "o"]
    options = parser().parse_args(["toy", *words])
    assert options.spec == Fusion(lr=0.5)
    assert (options.scores, options.output) == ([Path("a"), Path("b")], [Path("o")])
    assert (options.start, options.folder) == (None, Path("f"))
    assert (options.max_videos, options.jobs) == (3, 1)
    options = parser().parse_args(["toy", *words, "--start", "s", "--max-videos", "7"])
    assert (options.start, options.max_videos) == (Path("s"), 7)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--spec", '{"lr": 0}'], "(?s)argument --spec: expected a Fusion: .*greater than 0"),
        (["--spec", '{"rate": 1}'], "argument --spec: expected a Fusion"),
        (["--jobs", "0"], "argument --jobs: expected 1 or more, got 0"),
    ],
)
def test_a_wrong_value_is_named(stage, capsys, words, message):
    given = ["--spec", SPEC, "--scores", "a", "--start", "--folder", "f", "--output", "o"]
    with pytest.raises(SystemExit):
        parser().parse_args(["toy", *given, *words])
    assert re.search(message, capsys.readouterr().err)


def test_a_list_that_must_not_be_empty_is_asked_for(stage, capsys):
    given = ["--spec", SPEC, "--scores", "--start", "--folder", "f", "--output", "o"]
    with pytest.raises(SystemExit):
        parser().parse_args(["toy", *given])
    assert "argument --scores: expected at least one argument" in capsys.readouterr().err


def test_every_declared_stage_has_a_description_and_an_output(experiment):
    for stage in STAGES.values():
        assert stage.function.__doc__.strip().endswith(".")
        assert any(parameter.is_output for parameter in stage.parameters())


def test_the_spec_of_a_job_is_json_that_its_verb_reads(experiment):
    stage = STAGES["frames"]
    found = specs.FramesSpec.model_validate_json(stage.spec(experiment))
    assert found == specs.frames_spec(experiment)
