"""Intervals in less time."""

import pytest

from dsnet.tables import statistics


@pytest.fixture
def few_resamples(monkeypatch):
    """Intervals of few draws, for tests that only need that there are some."""
    monkeypatch.setattr(statistics, "RESAMPLES", 50)
