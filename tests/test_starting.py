"""What a run checks before its first job: folders, weights, clocks."""

import os
import subprocess
import time

import pytest
from snakemake.exceptions import WorkflowError

from dsnet import starting
from dsnet.errors import UserError
from dsnet.experiment import ConfigError

FETCHED = "results/{dataset}/fetched.json"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_error_that_a_user_can_mend_becomes_snakemakes():
    with pytest.raises(WorkflowError, match="put it there"), starting.explained():
        raise UserError("put it there")
    with pytest.raises(KeyError), starting.explained():
        raise KeyError("a bug")


# --- what must be there ------------------------------------------------------------------------


def test_a_folder_that_is_missing_is_named_with_what_to_do(experiment, loaded, here):
    starting.check_folders(experiment, FETCHED)  # of motions, which are made
    experiment = loaded({"datasets": ["motions", "weizmann"]})
    with pytest.raises(ConfigError) as caught:
        starting.check_folders(experiment, FETCHED)
    assert str(caught.value) == (
        f"catalogue.weizmann.videos: there is no folder data/weizmann (looked in {here}); "
        "put or link it there, or set the key to where it is; "
        "`dsnet fetch weizmann` or fetch: true gets it"
    )
    (here / "data/weizmann").mkdir(parents=True)
    starting.check_folders(experiment, FETCHED)


def test_a_folder_that_cannot_be_fetched_has_no_hint_to_do_so(loaded, here):
    changes = {"datasets": ["weizmann"], "catalogue": {"weizmann": {"kind": "folder"}}}
    experiment = loaded(changes)
    with pytest.raises(ConfigError, match=r"set the key to where it is$"):
        starting.check_folders(experiment, FETCHED)


def test_the_official_lists_are_missed_too(loaded, here):
    experiment = loaded({"datasets": ["ucf101"]})
    (here / "data/UCF-101").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"catalogue\.ucf101\.lists: .* data/ucfTrainTestlist"):
        starting.check_folders(experiment, FETCHED)


def test_a_folder_may_be_missing_until_it_is_fetched(loaded, here):
    changes = {"datasets": ["weizmann"], "catalogue": {"weizmann": {"fetch": True}}}
    experiment = loaded(changes)
    starting.check_folders(experiment, FETCHED)
    mark = here / FETCHED.format(dataset="weizmann")
    mark.parent.mkdir(parents=True)
    mark.touch()
    with pytest.raises(ConfigError, match=r"; delete results/weizmann/fetched\.json to have it"):
        starting.check_folders(experiment, FETCHED)


def test_weights_that_are_missing_are_named_by_stream(experiment, loaded, here):
    starting.check_pretrained(experiment)
    changed = {"rgb": {"pretrained": "own_{clip_length}.pth"}}
    experiment = loaded({"clip_lengths": [16, 64], "streams": changed})
    (here / "own_16.pth").touch()
    with pytest.raises(ConfigError, match=r"^streams\.rgb\.pretrained: .* own_64\.pth"):
        starting.check_pretrained(experiment)


def test_weights_of_the_flow_that_are_missing_are_named_with_their_address(loaded, here):
    experiment = loaded({"flow": {"algorithm": "raft", "raft": {"weights": "raft.pth"}}})
    starting.check_pretrained(loaded({"flow": {"raft": {"weights": "raft.pth"}}}))  # not used
    with pytest.raises(ConfigError) as caught:
        starting.check_pretrained(experiment)
    assert str(caught.value) == (
        f"flow.raft.weights: there is no file raft.pth (looked in {here}); get "
        "https://download.pytorch.org/models/raft_small_C_T_V2-01064c6d.pth, torchvision's "
        "weights of raft_small, and put it there"
    )
    (here / "raft.pth").touch()
    starting.check_pretrained(experiment)


def test_results_that_cannot_be_written(tmp_path, monkeypatch):
    results = tmp_path / "not/there/yet"
    starting.check_writable(results)
    assert list(tmp_path.iterdir()) == []

    def none(dir):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(starting.tempfile, "TemporaryFile", none)
    with pytest.raises(UserError, match=rf"^results: {tmp_path} cannot be written to \(Read-only"):
        starting.check_writable(results)


def test_a_result_that_is_dated_in_the_future_is_named_with_what_to_do(tmp_path):
    results = tmp_path / "my results"
    results.mkdir()
    (results / "old").touch()
    starting.check_dates(results)
    (results / "link").symlink_to("nowhere")
    later = time.time() + 1000
    os.utime(results / "link", (later, later), follow_symlinks=False)
    with pytest.raises(UserError, match=r"my results/link is dated in the future") as caught:
        starting.check_dates(results)
    subprocess.run(str(caught.value).splitlines()[1], shell=True, check=True)
    starting.check_dates(results)
