"""GPUs, processes and cores that jobs ask for."""

import os

import pytest

from dsnet import gpus
from dsnet.experiment import data
from dsnet.fetching.sources import SOURCES
from dsnet.flow import BACKENDS


@pytest.mark.parametrize(
    ("backend", "given", "there", "asked"),
    [
        ("auto", None, True, 1),
        ("auto", None, False, 0),
        ("torch", None, True, 1),
        ("numba", None, True, 0),
        ("auto", 0, True, 0),
        ("opencv-cuda", 2, False, 2),
    ],
)
def test_flow_jobs_ask_for_a_gpu_where_there_is_one_and_threads_that_feed_it(
    loaded, tmp_path, monkeypatch, backend, given, there, asked
):
    (tmp_path / "nvidia3").touch()  # of a container that has the fourth GPU alone
    (tmp_path / "nvidiactl").touch()
    path = tmp_path / ("nvidia[0-9]*" if there else "none")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "DEVICES", (str(path),))
    overlay = {"flow": {"backend": backend, "gpus": given}}
    flow = loaded(overlay).flow
    assert flow.n_gpus() == asked
    assert flow.n_threads() == (data.GPU_THREADS if asked else 1)
    for algorithm, on_gpu in (("dis", False), ("farneback", False), ("raft", there)):
        other = loaded({"flow": {"algorithm": algorithm, "backend": "numba"}}).flow
        assert other.n_gpus() == on_gpu


@pytest.mark.parametrize(
    ("asked", "processes", "cores"),
    [
        ({}, 1, 3),
        ({"gpus": 1}, 1, 3),
        ({"gpus": 4}, 4, 12),
        ({"gpus": 4, "processes": 2}, 2, 6),
    ],
)
def test_a_process_for_each_gpu_and_its_helpers_beside_it(loaded, asked, processes, cores):
    training = loaded({"training": {**asked, "threads": 1, "workers": 2}}).training
    assert training.n_processes() == processes
    assert training.busy_cores() == cores


@pytest.mark.parametrize(
    ("training", "there", "visible", "alone", "jobs_gpus", "workers"),
    [
        ({}, 0, None, False, 0, 0),
        ({}, 1, None, False, 1, 7),
        ({}, 4, None, False, 1, 1),
        ({}, 4, None, True, 1, 7),
        ({}, 16, None, False, 1, 0),
        ({}, 4, "0,2", False, 1, 3),
        ({}, 4, "", False, 0, 0),
        ({}, 4, "2,-1,3", False, 1, 7),
        ({"device": "cpu"}, 4, None, False, 0, 0),
        ({"gpus": 0, "workers": 2}, 4, None, False, 0, 2),
        ({"gpus": 2}, 0, None, False, 2, 0),
    ],
)
def test_a_training_has_a_gpu_where_there_is_one_and_its_share_of_the_cores(
    loaded, tmp_path, monkeypatch, training, there, visible, alone, jobs_gpus, workers
):
    for number in range(there):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setattr(gpus, "DEVICES", (str(tmp_path / "nvidia[0-9]*"),))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8))
    monkeypatch.setattr(gpus.shutil, "which", lambda name: None if alone else f"/usr/bin/{name}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    made = loaded({"training": training}).training
    assert (made.n_gpus(), made.n_workers()) == (jobs_gpus, workers)


def test_what_planning_knows_of_the_library_is_so():
    assert set(data.FETCHED) == set(SOURCES)
    assert set(data.FOLLOWED) == set(BACKENDS)
    names = data.FlowMethod.model_json_schema()["properties"]["backend"]["enum"]
    assert set(names) == {"auto", *BACKENDS}
