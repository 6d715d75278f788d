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
    assert str(caught.value) == (f"flow.raft.weights: there is no file raft.pth (looked in {here})")
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


def test_what_another_run_writes_meanwhile_is_not_of_the_future(tmp_path):
    class Busy(type(tmp_path)):
        def rglob(self, pattern):
            time.sleep(0.05)
            (tmp_path / "new").touch()
            yield tmp_path / "new"

    starting.check_dates(Busy(tmp_path))


# --- the users' own videos ---------------------------------------------------------------------

MANY = {f"{name}/{i}.mp4" for name in ("run", "walk") for i in range(4)}


@pytest.fixture
def own(loaded, here):
    """What is told of an experiment on the files of these names, with an own table if any."""

    def told(files, table="", **changes):
        for name in files:
            path = here / "videos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (here / "mine.csv").write_text(table)
        entry = {"kind": "folder", "videos": "videos", "csv": "mine.csv" if table else None}
        changes = {"datasets": ["mine"], "catalogue": {"mine": entry}, **changes}
        return starting.check_videos(loaded(changes))

    return told


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"run/1.mp4", "run/2.mp4"}, "mine: all videos are of one class, run; at least two are"),
        ({"run/1.mp4", "walk/1.mp4"}, "mine: split1 has no usable test videos; a class needs two"),
        (
            {"run/1.mp4", "run/2.mp4", "walk/1.mp4", "walk/2.mp4"},
            "mine: split1: no training video can be held out .* or set protocol: paper",
        ),
        (
            {f"{name}/{clip}/{i}.jpg" for name in ("a", "b") for clip in "cd" for i in range(9)},
            r"expected videos/CLASS/VIDEO; .* left out: a/c/0\.jpg, a/c/1\.jpg, .* and 31 more; if "
            r"each folder of pictures is a video, set images_fps .*; videos: folders .*: a, b$",
        ),
        (
            {"1.mp4", "2.mp4"},
            r"expected videos/CLASS/VIDEO; .*in no class folder.*: 1\.mp4, 2\.mp4$",
        ),
    ],
)
def test_own_videos_that_cannot_be_trained_on_are_told_before_the_first_job(own, files, message):
    with pytest.raises(UserError, match=message):
        own(files)


def test_few_videos_are_enough_under_protocol_paper(own):
    few = {"run/1.mp4", "run/2.mp4", "walk/1.mp4", "walk/2.mp4"}
    assert own(few, protocol="paper", fusion={"fit": "train"}) == []


def test_what_is_unusual_in_own_videos_is_told(own, here):
    assert own(MANY) == []
    assert own({"notes.txt"}) == []  # an index beside the classes
    (here / "videos/jump").mkdir()
    assert own({"run/notes.txt", "run/.hidden", "run/a.strange", "hop/1.mp4", "loose.mov"}) == [
        "mine: videos: no videos by their names, and left out: run/notes.txt",
        "mine: videos: in no class folder, and left out: loose.mov",
        "mine: videos: folders without videos, which are no classes: jump",
        "mine: split1: no test videos of hop, so nothing is known of how well they are recognised; "
        "a class needs two videos of different groups for both",
    ]


def test_classes_in_one_part_alone_and_of_one_group_are_told(own):
    rows = [f"{name},{'test' if name.endswith('3.mp4') else 'train'}" for name in sorted(MANY)]
    table = "\n".join(["path,split1", *rows, "hop/1.mp4,train", "skip/1.mp4,test"])
    assert [line.split(",")[0] for line in own(MANY, table)] == [
        "mine: split1: no test videos of hop",
        "mine: split1: no training videos of skip; tests will mistake them",
    ]
    groups = [f"{name},{name[:3] if name.startswith('run') else name}" for name in sorted(MANY)]
    (line,) = own(MANY, "\n".join(["path,group", *groups]))
    assert line.startswith("mine: split1: no test videos of run,")


def test_a_hundred_videos_and_three_are_split_within_both_classes(own):
    assert own({*(f"run/{i}.mp4" for i in range(100)), *(f"walk/{i}.mp4" for i in range(3))}) == []


def test_videos_of_official_data_sets_are_not_listed_before_the_first_job(loaded, here):
    assert starting.check_videos(loaded({"datasets": ["motions", "ucf101"]})) == []
