"""The default experiment with changes."""

from collections.abc import Callable
from typing import Any

import pytest
from project import merge

from dsnet import config as settings


@pytest.fixture
def resolved(raw_config: dict[str, Any], schema: dict[str, Any]) -> Callable[..., settings.Config]:
    """A maker of the default configuration with nested changes, checked and filled."""
    return lambda changes: settings.resolve(merge(raw_config, changes), schema)
