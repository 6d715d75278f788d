"""Ids of videos, whatever their files are called."""

import os

from hypothesis import given
from hypothesis import strategies as st

from dsnet.datasets.listing import make_ids, readable

# What a file name can hold: any bytes but NUL and the slash.
FILE_NAME = st.binary(min_size=1, max_size=8).filter(
    lambda name: not {0, 0x2F} & set(name) and name.strip(b".")
)
PATHS = st.lists(
    st.builds(lambda a, b: os.fsdecode(a + b"/" + b), FILE_NAME, FILE_NAME), unique=True, max_size=9
)


@given(PATHS)
def test_ids_are_unique_valid_text_in_one_line(names: list[str]) -> None:
    ids = make_ids(names)
    assert len(set(ids)) == len(names)
    for id in ids:
        id.encode("utf-8")
        assert id.isprintable() or not any(ord(character) < 32 for character in id)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\")))
def test_readable_leaves_text_alone(name: str) -> None:
    assert readable(name) == name


def test_ids_drop_the_extension_unless_that_is_ambiguous() -> None:
    assert make_ids(["a/x.avi", "a/y.avi", "a/y.mp4"]) == ["a/x", "a/y.avi", "a/y.mp4"]
    assert make_ids(["a/y", "a/y.avi", "a/y.avi.mp4"]) == ["a/y", "a/y.avi", "a/y.avi.mp4"]
    assert make_ids(["a/caf\udce9.avi", "a/c\\xe9.avi"]) == [r"a/caf\xe9", r"a/c\\xe9"]
