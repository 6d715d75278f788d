"""What is said of a job that failed."""

import errno
import re
import shlex

import pytest

from snakemake_logger_plugin_dsnet import failures
from snakemake_logger_plugin_dsnet.failures import Formatter, misplaced, rerun_command, tail

TARGET = "results/a b/model.pt"


def about(**changes):
    """What Snakemake tells of a failed job."""
    return {
        "rule_name": "train",
        "msg": None,
        "rule_msg": None,
        "jobid": 3,
        "input": [],
        "output": [TARGET],
        "log": [],
        "conda_env": None,
        "shellcmd": "python -m dsnet train",
        "aux": {},
    } | changes


def test_the_last_lines_of_a_log_are_shown(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("".join(f"line {number}\n" for number in range(30_000)))
    heading, rule, *lines, end = tail(log)
    assert heading == f"The last 20 lines of its log {log}:"
    assert rule == end == "=" * len(heading)
    assert lines == [f"line {number}" for number in range(29_980, 30_000)]
    log.write_bytes(b"first\n\xffsecond")
    assert tail(log)[0] == f"All of its log {log}:"
    assert tail(log)[2:-1] == ["first", "\ufffdsecond"]
    log.write_text("a\n" + 100_000 * "b" + "\nc\n")
    heading, _, long, last, _ = tail(log)
    assert heading == f"The last 2 lines of its log {log}:"
    assert (set(long), last) == ({"b"}, "c")


def test_a_log_that_is_missing_or_empty_says_so(tmp_path):
    assert tail(tmp_path / "none.log") == [
        f"Its log {tmp_path}/none.log cannot be read: No such file or directory."
    ]
    (tmp_path / "empty.log").touch()
    assert tail(tmp_path / "empty.log") == [f"Its log {tmp_path}/empty.log is empty."]


@pytest.mark.parametrize(
    ("arguments", "shared"),
    [
        ("--cores all", "--cores all"),
        ("-c4 table1", "--cores 4"),
        ("-n -j 2 table1 table2", "--jobs 2"),
        ("--cores all x --configfile a.yaml b.yaml", "--cores all --configfile a.yaml b.yaml"),
        ("--configfile=a.yaml --cores", "--configfile a.yaml --cores"),
        ("--cores 2 --forceall --until flow --forcerun train", "--cores 2"),
        ("-s ../Snakefile -d 'my run' --config results=x protocol=y -k --cores 1",
         "--snakefile ../Snakefile --directory 'my run' --config results=x protocol=y --cores 1"),
        ("--workflow-profile profiles/slurm --retries 0 table1",
         "--workflow-profile profiles/slurm"),
        ("--cores 9 --resources gpu=2 --sdm conda", "--cores 9 --resources gpu=2 --sdm conda"),
    ],
)  # fmt: skip
def test_a_rerun_shares_what_says_on_what_where_and_how_to_run(arguments, shared):
    words = shlex.split(rerun_command(shlex.split(arguments), TARGET))
    assert words[:2] == ["snakemake", TARGET]
    expected = shared.replace("--sdm", "--software-deployment-method")
    options = {tuple(option) for option in _options(words[2:])}
    assert options == {tuple(option) for option in _options(shlex.split(expected))}


def _options(words):
    """Each option with its values."""
    found = []
    for word in words:
        if word.startswith("--"):
            found.append([word])
        else:
            found[-1].append(word)
    return found


def test_a_failure_is_told_with_its_log_and_a_way_on(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("the network has no nonsense\n")
    text = Formatter(None, True, ["--cores", "2"]).format_job_error(about(log=[str(log)]))
    assert text.index("Error in rule train:") < text.index("has no nonsense")
    assert text.rstrip().endswith("\n    snakemake 'results/a b/model.pt' --cores 2")
    # Unless Snakemake was told not to show logs.
    text = Formatter(None, False, []).format_job_error(about(log=[str(log)]))
    assert "nonsense" not in text
    assert "snakemake 'results/a b/model.pt'" in text


def test_a_full_disk_is_named_where_the_log_may_not_have_room(monkeypatch):
    class Full:
        def __init__(self, dir):
            raise OSError(errno.ENOSPC, "no room")

    assert "is full" not in Formatter(None, True, []).format_job_error(about())
    monkeypatch.setattr(failures.tempfile, "TemporaryFile", Full)
    text = Formatter(None, True, []).format_job_error(about())
    assert f"The disk of {TARGET} is full" in text


def test_words_after_configfile_that_are_no_configuration_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    words = ["-n", "--configfile", "mine.yaml", "table1", "a/model.pt", "--cores", "2"]
    assert misplaced(words).splitlines() == [
        "table1, a/model.pt: no configuration file, and --configfile takes all words after it; put "
        "targets first:",
        "    snakemake table1 a/model.pt -n --configfile mine.yaml --cores 2",
    ]
    said = misplaced(["--configfile", "mine.yaml", "none.yaml"])
    assert said == f"--configfile: there is no file none.yaml (looked in {tmp_path})"
    assert misplaced(["--configfile", "mine.yam"]) == (
        "--configfile: mine.yam is no .yaml, .yml or .json file"
    )
    words = ["table1", "--configfile", "mine.yaml"]
    assert misplaced(words) == "mine.yaml: expected keys with values"
    (tmp_path / "mine.yaml").write_bytes(b"seeds: [\xff\n")
    assert misplaced(words).startswith("mine.yaml cannot be read: unacceptable character #x00ff")
    (tmp_path / "mine.yaml").write_text("seeds:\n- [1\n")
    assert re.match('(?s)mine.yaml cannot be read: .*in "mine.yaml", line 3', misplaced(words))
    (tmp_path / "mine.yaml").write_text("seeds: [1]\n")
    assert misplaced(words) is None
    assert misplaced([]) is None
