"""The strict build of the documentation fails where it should (`make docs` builds the site)."""

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
PAGE = "# A page\n\n```{layers}\nground: [errors]\n```\n\n## Part\n\n[its part](#part)\n"


@pytest.fixture
def build(tmp_path):
    """Build a site of one page with the settings of docs/conf.py; code and output."""

    def run(page: str) -> tuple[int, str]:
        (tmp_path / "index.md").write_text(page, encoding="utf-8")
        command = [sys.executable, "-m", "sphinx", "--quiet", "--fresh-env", "--fail-on-warning"]
        command += ["--conf-dir", str(DOCS), str(tmp_path), str(tmp_path / "built")]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_sound_page_is_built(build, tmp_path):
    assert build(PAGE) == (0, "")
    html = (tmp_path / "built/index.html").read_text(encoding="utf-8")
    assert '<div class="layer"><span>ground</span><div><code>errors</code></div></div>' in html


def test_what_is_wrong_fails_the_build(build):
    wrong = {
        "[gone](gone.md)": "gone.md",
        "[gone](#gone)": "'gone'",
        "![gone](gone.png)": "gone.png",
        "![logo](https://example.org/logo.png)": "loads https://example.org/logo.png",
        "```{layers}\nground\n```": "layers needs lines",
    }
    code, output = build(PAGE + "\n\n".join(["", *wrong]))
    assert code == 1
    assert [message for message in wrong.values() if message not in output] == []
