"""Small clips and a flow stream trained on them; neither is to be changed."""

import pytest
from specs import make_spec

from dsnet import training


@pytest.fixture(scope="session")
def clips_path(tmp_path_factory, make_clips):
    return make_clips(tmp_path_factory.mktemp("clips") / "clips.h5", train=9, test=6)


@pytest.fixture(scope="session")
def teacher(tmp_path_factory, clips_path):
    folder = tmp_path_factory.mktemp("teacher")
    training.train(make_spec(epochs=25), clips_path, folder)
    return folder / "model.pt"
