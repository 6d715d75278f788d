"""The default experiment with changes."""

from collections.abc import Callable
from typing import Any

import pytest
from project import merge

from dsnet.experiment import Experiment, load


@pytest.fixture
def loaded(raw_config: dict[str, Any]) -> Callable[..., Experiment]:
    """A maker of the default experiment with nested changes."""
    return lambda changes: load(merge(raw_config, changes))
