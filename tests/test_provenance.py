"""Digests of specs and code, and files that appear only when complete."""

import pytest

from dsnet.provenance import code, code_digest, digest, record, replacing


def test_a_digest_ignores_the_order_of_keys_only():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert digest({"a": 1, "b": [1, 2]}) != digest({"a": 1, "b": [2, 1]})


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small stand-in for dsnet: a imports b (relatively, inside a function), b imports c."""
    folder = tmp_path / "dsnet"
    (folder / "sub").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": '"""Doc."""\ndef f():\n    """Doc."""\n    from .b import g\n    return g()\n',
        "b.py": "import dsnet.sub.c\n\ndef g():\n    return 1\n",
        "sub/__init__.py": "from dsnet.sub.c import X\n",
        "sub/c.py": "import os\nX = 1\n",
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
        ("a.py", "def f():", "# a comment\n\ndef f():"),
        ("a.py", "    return g()", "    return (g())  # so"),
        ("other.py", "Y = 1", "Y = 2"),
    ],
)
def test_comments_docstrings_format_and_strangers_do_not_count(package, file, old, new):
    before = code_digest("dsnet.a")
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert code_digest("dsnet.a") == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("a.py", "g()\n", "g() + 1\n"),
        ("b.py", "return 1", "return 2"),
        ("sub/c.py", "X = 1", "X = 2"),
        ("sub/__init__.py", "import X", "import X as Z"),
    ],
)
def test_code_counts_at_any_depth(package, file, old, new):
    before = code_digest("dsnet.a")
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert code_digest("dsnet.a") != before


def test_modules_can_be_left_out(package):
    before, whole = code_digest("dsnet.a", without=["dsnet.b"]), code_digest("dsnet.a")
    (package / "b.py").write_text("def g():\n    return 5\n")
    assert code_digest("dsnet.a", without=["dsnet.b"]) == before
    assert code_digest("dsnet.a") != whole


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match=r"dsnet\.z"):
        code_digest("dsnet.z")


def test_the_teachers_training_does_not_depend_on_losses_nor_on_stages_before_the_clips():
    """Importing what a plain training needs, as the digest sees it."""
    without = ("dsnet.losses",)
    base = code_digest("dsnet.training", without=without)
    for module in ("dsnet.video", "dsnet.datasets.motions", "dsnet.flow.opencv", "dsnet.tables"):
        assert code_digest("dsnet.training", without=(*without, module)) == base
    assert code_digest("dsnet.training") != base
    assert code_digest("dsnet.training", without=(*without, "dsnet.clips")) != base


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
