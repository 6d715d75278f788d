"""The held-out validation part and the two protocols."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsnet import splits


def table(rows):
    return pd.DataFrame(rows, columns=["id", "label", "group", "split1"])


def ten_per_class(classes=3):
    return table(
        [(f"{c}/{i}", c, f"{c}/{i}", "train" if i < 8 else "test")
         for c in range(classes) for i in range(10)]
    )  # fmt: skip


def test_held_out_takes_the_share_of_each_class_out_of_training():
    found = splits.parts(ten_per_class(), 1, "held-out", 0.25)
    assert {k: len(v) for k, v in found.items()} == {"train": 18, "validation": 6, "test": 6}
    assert not set(found["train"]) & set(found["validation"])
    for c in range(3):
        assert sum(id.startswith(f"{c}/") for id in found["validation"]) == 2


def test_paper_selects_on_the_test_part_and_trains_on_all():
    found = splits.parts(ten_per_class(), 1, "paper", 0.25)
    assert found["validation"] == found["test"]
    assert len(found["train"]) == 24


def test_a_subject_in_every_class_is_held_out_from_every_class():
    subjects = ["ann", "bob", "cem", "dan", "eve", "fay"]
    rows = [(f"{c}/{s}", c, s, "train") for c in range(4) for s in subjects]
    rows += [(f"{c}/gil", c, "gil", "test") for c in range(4)]
    found = splits.parts(table(rows), 1, "held-out", 0.15)
    held = {id.split("/")[1] for id in found["validation"]}
    assert len(held) == 1
    assert len(found["validation"]) == 4


def test_a_class_whose_groups_are_all_large_gives_its_smallest():
    groups = ["a"] * 6 + ["b"] * 4
    assert splits.held_out(groups, [0] * 10, 0.1) == {"b"}


def test_a_class_with_one_group_keeps_it():
    assert splits.held_out(["a", "a", "b", "c"], [0, 0, 1, 1], 0.3) <= {"b", "c"}


def test_a_class_of_two_videos_gives_one_and_keeps_one():
    assert len(splits.held_out(["a", "b"], [0, 0], 0.9)) == 1


def test_the_hashes_of_names_decide_who_is_held_out_not_their_alphabet():
    groups = [f"g{i}" for i in range(10)]
    first_by_sha256sum = {"g9", "g6"}
    assert splits.held_out(groups, [0] * 10, 0.2) == first_by_sha256sum


def test_a_label_missing_for_a_video_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        splits.held_out(["a", "b"], [0], 0.5)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=80),
    st.floats(0.01, 0.9),
)
def test_every_class_keeps_a_training_video_and_groups_stay_whole(members, share):
    labels = [label for label, _ in members]
    groups = [f"g{group}" for _, group in members]
    held = splits.held_out(groups, labels, share)
    kept = {label for label, group in zip(labels, groups, strict=True) if group not in held}
    assert kept == set(labels)
    assert held <= set(groups)


@given(st.permutations(range(24)))
def test_held_out_does_not_depend_on_the_order_of_the_videos(order):
    rows = [(i % 3, f"g{i // 2}") for i in range(24)]
    straight = splits.held_out([g for _, g in rows], [c for c, _ in rows], 0.2)
    mixed = [rows[i] for i in order]
    assert splits.held_out([g for _, g in mixed], [c for c, _ in mixed], 0.2) == straight


def test_errors_say_what_is_missing():
    with pytest.raises(splits.SplitError, match=r"no split3; it has split1, split2$"):
        splits.parts(ten_per_class().assign(split2="train"), 3, "held-out", 0.1)
    with pytest.raises(splits.SplitError, match="split1 has no usable training videos"):
        splits.parts(ten_per_class().query("split1 == 'test'"), 1, "held-out", 0.1)
    with pytest.raises(splits.SplitError, match="no usable test videos"):
        splits.parts(ten_per_class().query("split1 == 'train'"), 1, "held-out", 0.1)
    single = table([("a", 0, "g", "train"), ("b", 0, "h", "test")])
    with pytest.raises(splits.SplitError, match="no training video can be held out"):
        splits.parts(single, 1, "held-out", 0.1)
