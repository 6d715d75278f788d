"""Seals: what is compared with them, and what is left as it is."""

import errno
import fcntl
import hashlib

import h5py
import pytest

from dsnet import csvs
from dsnet.errors import ChangedError, RemakeError, UserError, set_aside
from dsnet.provenance import check_seal, naming_damage, opened, replacing, seal_of
from dsnet.store import Reader, Writer

TEXT = "epoch,lr\n1,0.1\n"


@pytest.fixture
def table(tmp_path):
    """A small table with its seal."""
    with replacing(tmp_path / "a.csv") as temporary:
        temporary.write_text(TEXT)
    return tmp_path / "a.csv"


def test_a_seal_is_what_sha256sum_writes_and_the_file_has_nothing_of_it(table):
    assert table.read_text() == TEXT
    expected = f"{hashlib.sha256(TEXT.encode()).hexdigest()}  a.csv\n"
    assert seal_of(table).read_text() == expected
    assert check_seal(table)


def test_an_edited_file_is_put_aside_and_taken_back_without_its_seal(table):
    table.write_text(TEXT.replace("0.1", "0.2"))
    with pytest.raises(
        ChangedError, match=r"a\.csv is damaged or was edited.*put it back"
    ) as caught:
        csvs.read(table)
    set_aside(caught.value)
    assert not table.exists()
    table.with_name("a.csv.damaged").rename(table)
    seal_of(table).unlink()
    assert csvs.read(table)["lr"].tolist() == [0.2]


def test_a_file_written_anew_has_a_new_seal(table):
    with replacing(table) as temporary:
        temporary.write_text("new")
    assert check_seal(table)
    with replacing(table.with_name("a.md")) as temporary:  # no stage reads it
        temporary.write_text("new")
    assert not check_seal(table.with_name("a.md"))


@pytest.mark.parametrize("content", [b"", b"\xff", b"0" * 64, b"1 2\n3 x", b"a  a.csv\n9 9\n"])
def test_a_damaged_seal_counts_as_damage(table, content):
    seal_of(table).write_bytes(content)
    with pytest.raises(ChangedError):
        check_seal(table)


def test_a_file_that_is_missing_is_not_damaged(table):
    table.unlink()
    with pytest.raises(FileNotFoundError):
        check_seal(table)


@pytest.mark.parametrize("spans", [[(0, 4)], [(2, 3), (7, 1)], [(3, 7)], [(0, 10)], [(4, 0)]])
def test_a_seal_leaves_out_the_spans(tmp_path, spans):
    path = tmp_path / "a.bin"
    with replacing(path, spans) as temporary:
        temporary.write_bytes(b"0123456789")
    for place in range(10):
        path.write_bytes(b"0123456789".replace(b"%d" % place, b"x"))
        if any(begin <= place < begin + size for begin, size in spans):
            assert check_seal(path)
        else:
            with pytest.raises(ChangedError):
                check_seal(path)
    path.write_bytes(b"012345678")
    with pytest.raises(ChangedError):
        check_seal(path)


def test_an_error_of_the_system_is_no_damage_and_names_the_file(tmp_path):
    def failing(problem):
        with naming_damage(tmp_path / "a.h5", "file"):
            raise problem

    for number in (errno.EMFILE, errno.EACCES, errno.EIO):
        with pytest.raises(OSError, match=r"a\.h5'$") as caught:
            failing(OSError(number, "why"))
        assert caught.value.errno == number
    with pytest.raises(MemoryError):
        failing(MemoryError())
    for problem in (OSError("truncated file"), OSError(errno.EINVAL, "seek"), KeyError("a")):
        with pytest.raises(RemakeError, match=r"a\.h5 is damaged or not a file"):
            failing(problem)
    with pytest.raises(FileNotFoundError), opened(tmp_path / "none.csv", "table"):
        pass


def test_a_file_that_another_program_writes_is_not_called_damaged(tmp_path):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {}) as writer:
        writer.close([])
    with open(path, "r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)  # as HDF5 does
        with pytest.raises(UserError, match=r"a\.h5 is open in another program") as caught:
            Reader(path)
        assert not isinstance(caught.value, RemakeError)
    assert Reader(path).videos == {}


def test_hdf5_marks_a_file_that_it_has_open_to_write_and_leaves_it_as_it_was(tmp_path):
    path = tmp_path / "a.h5"
    with Writer(path, ["rgb"], {}) as writer:
        writer.close([])
    with h5py.File(path, "r+"), pytest.raises(UserError, match="open in another program") as caught:
        Reader(path)
    assert not isinstance(caught.value, RemakeError)
    assert Reader(path).videos == {}
