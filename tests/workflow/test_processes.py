"""A stream that two processes train and score, through Snakemake."""

import numpy as np
from project import RUN, Project

from dsnet import models
from dsnet.scores import read_scores


def test_two_processes_are_no_reason_to_rerun_and_make_the_same_files(project: Project):
    before = read_scores(project / f"{RUN}/rgb/scores.h5")
    project.configure(training={"processes": 2})
    assert project.plan().nothing_to_do
    for name in ("model.pt", "scores.h5"):
        (project / f"{RUN}/rgb/{name}").unlink()
    project.finish(f"{RUN}/rgb/scores.h5")
    made = models.read(project / f"{RUN}/rgb/model.pt")
    assert made["provenance"]["processes"] == 2
    assert "processes" not in made["spec"]["stream"]["training"]
    after = read_scores(project / f"{RUN}/rgb/scores.h5")
    for name, part in before.parts.items():
        assert after.parts[name].ids == part.ids
        np.testing.assert_array_equal(after.parts[name].counts, part.counts)
        assert np.isfinite(after.parts[name].clips).all()


def test_without_a_synchronised_batch_norm_their_number_counts(project: Project):
    project.configure(training={"sync_batch_norm": False, "processes": 2})
    jobs = project.plan().jobs
    assert ("train", "flow") in jobs
    project.configure(training={"sync_batch_norm": False, "processes": 3})
    assert ("train", "flow") in project.plan().jobs
