"""A training that sees the middle frame of every clip alone."""

import numpy as np
import pytest
from specs import make_spec, same, weights

from dsnet import clips, evaluation, training
from dsnet.clips import videos
from dsnet.experiment.specs import TrainSpec

LENGTH = 4


def frame_spec(still, **options):
    spec = make_spec("frame", **options).values()
    spec["stream"]["still"] = still
    return TrainSpec.model_validate(spec)


@pytest.fixture
def turned(monkeypatch):
    """Turn the order of all frames of a clip but its middle one."""
    to_square = clips.to_square

    def turn(loaded, *more):
        clip = to_square(loaded, *more)
        others = [t for t in range(LENGTH) if t != LENGTH // 2]
        clip[others] = clip[others[::-1]]
        return clip

    return lambda: monkeypatch.setattr(videos, "to_square", turn)


@pytest.mark.parametrize("options", [{}, {"ema": 0.5, "augment": {"rotation": 20}}])
@pytest.mark.parametrize("still", [True, False])
def test_other_frames_change_no_still_network_and_no_score(
    clips_path, tmp_path, turned, still, options
):
    def trained(name):
        folder = tmp_path / name
        training.train(frame_spec(still, **options), clips_path, folder)
        scores = evaluation.evaluate(folder / "model.pt", clips_path, folder / "scores.h5")
        return weights(folder), scores.parts["test"].clips

    before = trained("before")
    turned()
    after = trained("after")
    assert same(before[0], after[0]) == still
    assert np.array_equal(before[1], after[1]) == still
    # The same network, on clips in the other order.
    scores = evaluation.evaluate(tmp_path / "before/model.pt", clips_path, tmp_path / "again.h5")
    assert np.array_equal(before[1], scores.parts["test"].clips) == still
