"""The course of the learning rate, by hand and against PyTorch's."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from specs import OPTIONS

from dsnet.experiment.networks import Recipe
from dsnet.training.schedule import Schedule


def make(kind, **options):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1)
    return Schedule(
        optimizer, Recipe(**{**OPTIONS, "schedule": kind, "lr": 1.0, **options}), 2
    ), optimizer


def rates(kind, losses, cut=None, **options):
    """The rate of each step, two per epoch; ``cut``: the epoch before which another takes over."""
    schedule, optimizer = make(kind, **options)
    found = []
    for epoch, loss in enumerate(losses):
        if epoch == cut:
            state = json.loads(json.dumps(schedule.state_dict()))
            schedule, optimizer = make(kind, **options)
            schedule.load_state_dict(state)
        for step in range(2):
            schedule.before_step(2 * epoch + step)
            found.append(optimizer.param_groups[0]["lr"])
        schedule.after_epoch(loss)
    return found


def test_cosine_warms_up_and_falls_to_nothing():
    found = rates("cosine", [1] * 4, epochs=4, warmup_epochs=1)
    half = [0.5 * (1 + math.cos(math.pi * i / 6)) for i in range(6)]
    assert found == pytest.approx([0.5, 1.0, *half])


def test_plateau_divides_by_ten_after_its_patience():
    losses = [1.0, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4]
    found = rates("plateau", losses, epochs=7, warmup_epochs=0, plateau_patience=1)
    assert found[::2] == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.1])


def test_plateau_is_pytorchs():
    losses = [1.0, 0.9, 0.95, 0.91, 0.9, 0.89999, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
    expected = []
    for loss in losses:
        expected.append(optimizer.param_groups[0]["lr"])
        theirs.step(loss)
    found = rates("plateau", losses, epochs=13, warmup_epochs=0, plateau_patience=2)
    assert found[::2] == pytest.approx(expected)


@settings(deadline=None)
@given(
    st.sampled_from(["plateau", "cosine", "constant"]),
    st.lists(st.sampled_from([1.0, 0.99999, 0.9, 0.5, 2.0]), min_size=1, max_size=12),
    st.integers(0, 11),
    st.integers(0, 3),
)
def test_a_schedule_that_is_taken_up_goes_on_as_it_would_have(kind, losses, cut, patience):
    options = {"epochs": len(losses), "plateau_patience": patience, "warmup_epochs": 1.5}
    assert rates(kind, losses, cut, **options) == rates(kind, losses, **options)
