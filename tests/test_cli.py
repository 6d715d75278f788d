"""The command line: verbs that are the rules, messages without tracebacks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dsnet.cli import main, parser
from dsnet.experiment.specs import FlowSpec
from dsnet.models import build, save
from dsnet.stages import STAGES

ROOT = Path(__file__).parents[1]


def verbs():
    (sub,) = (
        action for action in parser()._actions if hasattr(action, "choices") and action.choices
    )
    return set(sub.choices)


def test_every_rule_is_a_thin_line_over_the_verb_of_its_name():
    rules, targets = set(), ROOT / "workflow/rules/targets.smk"
    assert "shell:" not in targets.read_text()  # which gather what other rules make
    for path in {*(ROOT / "workflow/rules").glob("*.smk")} - {targets}:
        text = path.read_text()
        for head, body in re.findall(r"^((?:use )?rule .*):\n((?:    .*\n|\n)*)", text, re.M):
            name = head.split()[4 if head.startswith("use") else 1]
            rules.add(name)
            assert f'**determined_by("{name}")' in body or name == "fetch"
            calls = re.findall(r'command\("(\w+)"|python -m dsnet (\w+)', body)
            if head.startswith("rule "):  # the others take over the shell line
                assert calls == [("", "fetch") if name == "fetch" else (name, "")]
    # Its rules are made in a loop, one for each batch.
    text = (ROOT / "workflow/rules/fuse.smk").read_text()
    assert (text.count(" rule:"), text.count("shell:")) == (1, 1)
    assert '**determined_by("fuse", batch)' in text
    assert 'command("fuse")' in text
    rules.add("fuse")
    assert rules == {*STAGES, "fetch"}
    beside = {"benchmark", "checkpoint", "crate", "doctor", "export", "features", "flow"}
    beside |= {"predict", "show"}
    assert verbs() - rules == beside


def test_an_error_a_user_can_mend_is_one_message_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "dsnet", "evaluate", "--model", "none.pt", "--clips",
               "none.h5", "--output", str(tmp_path / "scores.h5")]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "evaluate: no checkpoint none.pt" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_spec_is_json_or_a_file_of_it(tmp_path, capsys):
    (tmp_path / "spec.json").write_text('{"bound": 7}')
    options = parser().parse_args(
        ["flow_shard", "--spec", f"@{tmp_path}/spec.json", "--frames", "a", "--output", "b"]
    )
    assert options.spec == FlowSpec(bound=7)
    for wrong, said in (("{not json", "Expecting property name"), ("@none.json", "No such file"),
                        ('{"bund": 7}', "bund")):  # fmt: skip
        with pytest.raises(SystemExit):
            parser().parse_args(["flow_shard", "--spec", wrong, "--frames", "a", "--output", "b"])
        found = capsys.readouterr().err
        assert "argument --spec: expected " in found
        assert said in found


def test_a_name_that_is_not_utf8_is_printed(tmp_path):
    weights = os.fsencode(tmp_path) + b"/caf\xe9.pth"
    network = build({"layers": [1] * 4, "widths": [4] * 4, "stem": 4, "cardinality": 2}, "rgb", 2)
    save(os.fsdecode(weights), {"state_dict": network.state_dict()})
    result = subprocess.run(
        [sys.executable, "-m", "dsnet", "checkpoint", "inspect", weights],
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert r"caf\udce9.pth: " in result.stdout


@pytest.mark.parametrize(("verb", "option"), [("predict", "--threads"), ("train", "--processes")])
def test_a_count_below_one_is_refused(capsys, verb, option):
    with pytest.raises(SystemExit):
        parser().parse_args([verb, "x.mp4", option, "-1"])
    assert f"argument {option}: expected 1 or more, got -1" in capsys.readouterr().err


@pytest.mark.parametrize(("verb", "option"), [("predict", "--stride"), ("flow", "--fps")])
@pytest.mark.parametrize("given", ["0", "-1", "nan", "inf"])
def test_a_rate_that_cannot_be_is_refused(capsys, verb, option, given):
    with pytest.raises(SystemExit):
        parser().parse_args([verb, "x.mp4", f"{option}={given}"])
    assert f"argument {option}: expected a number above 0, got {given}" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["benchmark", "export", "features"])
def test_a_fusion_is_refused_where_one_stream_is_needed(tmp_path, caplog, verb):
    path = tmp_path / "ds+flow.average.json"
    path.write_text("{}")
    words = {
        "benchmark": [verb, str(path)],
        "export": [verb, str(path), "a.onnx", "--onnx"],
        "features": [verb, "a.mp4", "--model", str(path), "-o", "a.npy"],
    }[verb]
    assert main(words) == 1
    assert caplog.messages == [
        f"{verb}: {path} is no file of weights; name the model.pt of a stream"
    ]


def test_who_reads_the_output_may_have_had_enough(tmp_path):
    """As `head` has, which closes the pipe; here nobody reads at all."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "dsnet", "fetch", "weizmann", "--to", tmp_path]
    with open(writing, "wb") as nobody:
        done = subprocess.run(
            [*command, "--mirror", "http://127.0.0.1:9"],
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")


def test_the_help_has_a_line_for_each_verb_for_people_and_names_the_rules_after_them(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert main([]) == 2
    assert capsys.readouterr().out == shown
    assert max(map(len, shown.splitlines())) <= 80
    _, people, rules = re.split(
        "verbs for people:\n|rules of the workflow, for Snakemake:\n", shown
    )
    lines = re.findall(r"^  (\w+) +([A-Z].*\.)$", people, re.M)
    assert [name for name, _ in lines[:3]] == ["doctor", "fetch", "predict"]
    assert {name for name, _ in lines} == {*verbs()} - {*STAGES}
    assert rules.replace(",", "").split() == list(STAGES)


def test_a_version_and_an_unknown_verb(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+.*\n", capsys.readouterr().out)
    with pytest.raises(SystemExit) as caught:
        main(["nothing"])
    assert caught.value.code == 2


def test_a_verb_for_people_moves_no_damaged_file(tmp_path, caplog):
    model, seal = tmp_path / "model.pt", tmp_path / ".model.pt.sha256"
    model.write_bytes(b"another")
    seal.write_text(f"{'0' * 64}  model.pt\n")
    assert main(["predict", str(tmp_path / "a.avi"), "--model", str(model)]) == 1
    assert "is damaged or was edited" in caplog.text
    assert "nothing was moved" in caplog.text
    assert model.exists()


@pytest.mark.parametrize("verb", ["predict", "features"])
def test_videos_that_are_not_there_are_missed_before_pytorch_is_imported(verb, tmp_path):
    model = tmp_path / "model.pt"
    model.write_bytes(b"PK\x03\x04")
    script = (
        "import sys; from dsnet.cli import main; code = main(sys.argv[1:]);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    words = [verb, "none.mp4", "nor.mp4", "--model", str(model)]
    words += ["-o", str(tmp_path / "out.h5")] if verb == "features" else []
    result = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert f"{verb}: there is no none.mp4, nor.mp4 (looked in" in result.stderr


def test_ctrl_c_is_no_crash_of_a_verb(tmp_path):
    reading, writing = os.pipe()  # nobody writes: the verb waits
    script = (
        "import os, signal, sys\nfrom dsnet.cli import main, tools\n"
        # A shell has background jobs ignore it, and their children too.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def wait(*about):\n    os.kill(os.getpid(), signal.SIGINT)\n    sys.stdin.read()\n"
        "tools.check_model = wait\nsys.exit(main(['show', 'model.pt']))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], stdin=reading, capture_output=True, text=True, check=False
    )
    os.close(reading), os.close(writing)
    assert result.returncode == 130
    assert "show: stopped" in result.stderr
    assert "Traceback" not in result.stderr
