"""Digests of specs and code, and files that appear only when complete."""

import pytest

from dsnet.provenance import code, code_digest, digest, record, replacing


def test_a_digest_ignores_the_order_of_keys_only():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})


COUNTED = ["dsnet.a", "dsnet.b", "dsnet.sub.c"]
A = '''"""Doc."""
import logging
from dsnet.plumbing import h
log = logging.getLogger(__name__)

def f(x: int) -> int:
    """Doc."""
    from .b import g
    log.info("done")
    if x < 0:
        raise ValueError(f"no such thing: {x}")
    return g()
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small stand-in for dsnet: a imports b (relatively, inside a function), b imports sub.c."""
    folder = tmp_path / "dsnet"
    (folder / "sub").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": A,
        "b.py": "import dsnet.sub.c\n\ndef g():\n    return 1\n",
        "sub/__init__.py": "from dsnet.sub.c import X\n",
        "sub/c.py": "import os\nX = 1\nZ: int = 1\n",
        "plumbing.py": "def h():\n    return 1\n",
        "other.py": "Y = 1\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    monkeypatch.setattr(code, "PACKAGE", folder)
    return folder


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("a.py", '"""Doc."""', '"""Another docstring."""'),
        ("a.py", "def f(x: int) -> int:", "# a comment\n\ndef f(x: float) -> float:"),
        ("a.py", "    return g()", "    return (g())  # so"),
        ("a.py", "no such thing", "no such thing as {x}"),
        ("a.py", "done", "done at last"),
        ("other.py", "Y = 1", "Y = 2"),
        ("sub/c.py", "Z: int = 1", "Z: float = 1"),
        # A module that is imported, and does not count.
        ("plumbing.py", "return 1", "return 2"),
    ],
)
def test_words_formats_annotations_and_strangers_do_not_count(package, file, old, new):
    before = code_digest(["dsnet.a"], COUNTED)
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert code_digest(["dsnet.a"], COUNTED) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("a.py", "g()\n", "g() + 1\n"),
        ("a.py", "x < 0", "x < 1"),
        ("a.py", "raise ValueError", "raise TypeError"),
        ("b.py", "return 1", "return 2"),
        ("sub/c.py", "X = 1", "X = 2"),
        ("sub/c.py", "Z: int = 1", "Z: int = 2"),
        ("sub/c.py", "import os", "import sys"),
    ],
)
def test_code_counts_at_any_depth(package, file, old, new):
    before = code_digest(["dsnet.a"], COUNTED)
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert code_digest(["dsnet.a"], COUNTED) != before


def test_the_place_of_code_does_not_count(package):
    before = code_digest(["dsnet.a"], COUNTED)
    (package / "b.py").write_text("from dsnet.sub.d import X, g\n")
    (package / "sub/c.py").rename(package / "sub/d.py")
    with open(package / "sub/d.py", "a") as file:
        file.write("\ndef g():\n    return 1\n")
    assert code_digest(["dsnet.a"], [*COUNTED, "dsnet.sub.d"]) == before


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match=r"dsnet\.z"):
        code_digest(["dsnet.z"], COUNTED)


def test_replacing_leaves_the_old_file_and_no_rest_on_an_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_record_names_versions_and_commit():
    found = record(device="cpu")
    assert found["device"] == "cpu"
    assert found["versions"]["torch"].startswith("2.")
    assert found["commit"]
