"""The parity fixtures of MARS's ResNeXt-101, read once."""

import json

import numpy as np
import pytest
from networks import filled


@pytest.fixture(scope="session")
def mars_keys(shared_fixtures):
    """Every key of MARS's network for RGB and 101 classes with its shape, in order."""
    recorded = json.loads((shared_fixtures / "mars_resnext101_rgb_16f_101.json").read_text())
    return {key: tuple(shape) for key, shape in recorded["keys"]}


@pytest.fixture(scope="session")
def mars_weights(mars_keys):
    """The weights that the outputs were recorded with; not to be changed."""
    return filled(mars_keys)


@pytest.fixture(scope="session")
def mars_outputs(shared_fixtures):
    """The outputs that MARS's network gave."""
    return np.load(shared_fixtures / "mars_resnext101_rgb_16f_101.npz")
