"""`dsnet doctor` as a whole: what it reads, what it prints, how it ends."""

import shutil
import subprocess
import sys

import pytest
from project import ROOT

from dsnet import doctor
from dsnet.doctor import Finding, ProblemsError, examine, show
from dsnet.doctor.finding import run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the default experiment."""
    shutil.copy2(ROOT / "config.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_checks(monkeypatch):
    """Only the configuration is looked at, and what the checks were given is kept."""
    seen = []
    monkeypatch.setattr(doctor, "OF_THE_MACHINE", {"machine": lambda c: seen.append(c) or iter(())})
    monkeypatch.setattr(doctor, "OF_THE_EXPERIMENT", {"ours": lambda c: seen.append(c) or iter(())})
    return seen


def test_overlays_are_merged_as_snakemake_does(folder, no_checks):
    (folder / "mine.yaml").write_text("training: {workers: 7}\nseeds: [4]\n")
    (finding,) = examine(["mine.yaml"])
    assert (finding.status, finding.found) == ("ok", "config.yaml, mine.yaml")
    experiment, again = no_checks
    assert experiment is again
    assert (experiment.training.workers, experiment.training.epochs) == (7, 16)
    assert experiment.seeds == [4]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("trainings: {}\n", "trainings: unknown key"),
        ("[1, 2]\n", "mine.yaml: expected keys with values"),
        ("a: [\n", "mine.yaml"),
        (None, "mine.yaml: No such file"),
        ("training: &t {lr: *t}\n", "mine.yaml: a value contains itself"),
        (
            '__use_yte__: true\n__definitions__: [\'open("ran", "w")\']\n',
            "__use_yte__: unknown key",
        ),
    ],
)
def test_with_a_wrong_configuration_the_machine_is_checked_all_the_same(
    folder, no_checks, content, words
):
    if content is not None:
        (folder / "mine.yaml").write_text(content)
    (finding,) = examine(["mine.yaml"])
    assert finding.status == "problem"
    assert words in finding.found
    (experiment,) = no_checks
    assert experiment.datasets == ["motions"]
    assert not (folder / "ran").exists()


def test_a_check_that_fails_is_a_finding_and_ends_no_other():
    def check(config):
        yield Finding("thing", "ok", "one half")
        raise KeyError("the other")

    first, second = run("thing", check, {})
    assert first.status == "ok"
    assert (second.check, second.status) == ("thing", "problem")
    assert "KeyError: 'the other'" in second.found


def test_findings_are_shown_with_what_to_do(capsys):
    show([Finding("disk", "ok", "room"), Finding("gpu", "warning", "none", "x " * 100)])
    shown = capsys.readouterr().out
    assert shown.splitlines()[0].split() == ["ok", "disk", "room"]
    assert "to do: " + ("x " * 100).strip() in shown
    with pytest.raises(ProblemsError, match="1 problem, named above"):
        show([Finding("disk", "problem", "no room")])


def test_the_default_experiment_needs_nothing_that_is_not_here(folder):
    found = list(examine())
    checks = {finding.check for finding in found}
    assert checks >= {"configuration", "cores", "ffmpeg", "opencv", "flow", "gpu", "locks"}
    ours = {f.check: f.status for f in found if f.check in ("data: motions", "weights", "disk")}
    assert ours == {"data: motions": "ok", "weights": "ok", "disk": "ok"}


def test_an_experiment_that_lacks_its_data_ends_in_an_error(folder):
    overlay = str(ROOT / "experiments/paper.yaml")
    command = [sys.executable, "-m", "dsnet", "doctor", "--configfile", overlay]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "problems, named above" in result.stderr
    assert "Traceback" not in result.stderr
    assert "catalogue.ucf101.videos" in result.stdout
    assert "Flow_UCF101_64f.pth" in result.stdout
