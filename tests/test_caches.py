"""Caches of libraries where the home folder cannot be written to."""

import os
import tempfile

import pytest

from dsnet import caches


@pytest.fixture
def variables(monkeypatch, tmp_path):
    """Neither variable is set, the home cannot exist, and temporary files have a folder."""
    for name in caches.FOLDERS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/proc/nothing")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return monkeypatch


def test_without_a_home_all_caches_are_in_a_folder_of_the_user(variables, tmp_path):
    caches.provide()
    place = tmp_path / f"dsnet-caches-{os.getuid()}"
    assert [os.environ[name] for name in caches.FOLDERS] == [str(place)] * 2
    assert place.stat().st_mode & 0o777 == 0o700
    for name in caches.FOLDERS:
        variables.delenv(name)
    caches.provide()  # the next job
    assert os.environ["MPLCONFIGDIR"] == str(place)


def test_a_folder_that_another_user_made_is_not_trusted(variables, tmp_path):
    uid = os.getuid()
    caches.provide()
    for name in caches.FOLDERS:
        variables.delenv(name)
    (tmp_path / f"dsnet-caches-{uid}").rename(tmp_path / f"dsnet-caches-{uid + 1}")
    variables.setattr(os, "getuid", lambda: uid + 1)
    caches.provide()
    place = os.environ["XDG_CACHE_HOME"]
    assert place.startswith(str(tmp_path))
    assert "dsnet-caches" not in place


def test_what_is_set_or_works_is_left(variables, tmp_path):
    variables.setenv("XDG_CACHE_HOME", "/mine")
    variables.setenv("HOME", str(tmp_path / "home"))
    caches.provide()
    assert os.environ["XDG_CACHE_HOME"] == "/mine"
    assert "MPLCONFIGDIR" not in os.environ
    assert list(tmp_path.iterdir()) == []
