"""GPUs, processes and cores that jobs ask for."""

import pytest

from dsnet.experiment import data
from dsnet.fetching.sources import SOURCES
from dsnet.flow import BACKENDS


@pytest.mark.parametrize(
    ("backend", "gpus", "there", "asked"),
    [
        ("auto", None, True, 1),
        ("auto", None, False, 0),
        ("torch", None, True, 1),
        ("numba", None, True, 0),
        ("auto", 0, True, 0),
        ("opencv-cuda", 2, False, 2),
    ],
)
def test_flow_jobs_ask_for_a_gpu_where_there_is_one(
    loaded, tmp_path, monkeypatch, backend, gpus, there, asked
):
    (tmp_path / "nvidia3").touch()  # of a container that has the fourth GPU alone
    (tmp_path / "nvidiactl").touch()
    path = tmp_path / ("nvidia[0-9]*" if there else "none")
    monkeypatch.setattr(data, "GPU_DEVICES", (str(path),))
    overlay = {"flow": {"backend": backend, "gpus": gpus}}
    assert loaded(overlay).flow.n_gpus() == asked


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


def test_what_planning_knows_of_the_library_is_so():
    assert set(data.FETCHED) == set(SOURCES)
    assert set(data.FOLLOWED) == set(BACKENDS)
    names = data.FlowMethod.model_json_schema()["properties"]["backend"]["enum"]
    assert set(names) == {"auto", *BACKENDS}
