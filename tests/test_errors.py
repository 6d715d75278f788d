"""What becomes of files that are of no use any more."""

from dsnet.errors import RemakeError, set_aside


def test_a_file_is_set_aside_by_the_first_of_several_processes(tmp_path):
    path = tmp_path / "clips.h5"
    path.write_bytes(b"damaged")
    error = RemakeError(path, "damaged")
    for _ in range(2):
        assert set_aside(error) == f"it was moved to {path}.damaged; run again, and it is made anew"
    assert [p.name for p in tmp_path.iterdir()] == ["clips.h5.damaged"]


def test_a_file_that_cannot_be_moved_is_to_be_deleted(tmp_path):
    (tmp_path / "clips.h5").write_bytes(b"damaged")
    (tmp_path / "clips.h5.damaged").mkdir()
    found = set_aside(RemakeError(tmp_path / "clips.h5", "damaged"))
    assert found.startswith("delete it and run again (moving it failed: ")
    assert set_aside(RemakeError(tmp_path / "a.pt", "damaged")) == "delete it and run again"
    absent = set_aside(RemakeError(tmp_path / "absent.h5", "damaged"))
    assert absent.startswith("delete it and run again (moving it failed: ")
