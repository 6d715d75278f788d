"""The report holds the pages as they are, in both its forms; the README's pictures of it."""

import re
import subprocess
import sys
import zipfile

import cv2
import pytest
from browser import SCRIPT, document, require_browser, screenshots
from project import ROOT, Project

PAGES = ("figures/motions-split1-4f-classes.html", "summary.html", "provenance.html")
FIGURES = ("figures/motions-split1-4f-similarity.svg", "figures/motions-split1-4f-features.svg")


@pytest.fixture(scope="module")
def report(finished: Project, tmp_path_factory):
    """report.zip, as `make` writes it."""
    project = finished.copy_to(tmp_path_factory.mktemp("report") / "project")
    style = ["--report-stylesheet", "workflow/report/style.css"]
    project.finish("--report", "results/report.zip", *style)
    return project / "results/report.zip"


def test_the_zip_has_the_pages_and_figures_byte_by_byte(report):
    with zipfile.ZipFile(report) as archive:
        names = {name.rsplit("/", 1)[-1]: name for name in archive.namelist()}
        for path in (*PAGES, *FIGURES):
            written = (report.parent / path).read_bytes()
            assert archive.read(names[path.rsplit("/", 1)[-1]]) == written, path
        page = archive.read(names["report.html"]).decode()
    assert "prefers-color-scheme: dark" in page
    for category in ("Summary", "Classes", "Distillation", "Provenance", "Tables", "Figures"):
        assert f'"{category}"' in page, category


def test_it_begins_with_the_results_and_hides_the_graph(report, tmp_path):
    with zipfile.ZipFile(report) as archive:
        archive.extractall(tmp_path)
    (start,) = tmp_path.rglob("report.html")
    shown = document(start.as_uri(), tmp_path / "profile")
    summary = (report.parent / "summary.html").read_text(encoding="utf-8")
    for number in re.findall("<dt>(.*?) <small>", summary):
        assert f"<dt>{number} <small>" in shown
    assert shown.index('class="dsnet"') < shown.index("Show the workflow's graph")
    assert 'id="rulegraph"' in shown
    assert "#rulegraph { display: none; }" in shown


def test_it_can_be_a_single_file_too(report):
    project = Project(report.parents[1])
    project.finish("--report", "results/report.html")
    page = (project / "results/report.html").read_text(encoding="utf-8")
    assert page.count("data:text/html;") >= len(PAGES)


def test_one_class_with_both_videos_is_left_on_the_page():
    section = '<section id="{}">{}</section>\n'
    chart = '<svg class="chart"></svg>'
    page = "<body>head" + "".join(
        section.format(name, chart * count) for name, count in (("a", 1), ("b", 2), ("c", 0))
    ) + "end</body>"  # fmt: skip
    kept = screenshots().with_one_class(page)
    assert kept == f'<body>head<section id="b">{2 * chart}</section>\nend</body>'


def test_pictures_of_the_report_are_taken(report, tmp_path):
    require_browser()
    command = [sys.executable, str(SCRIPT), str(report), str(tmp_path)]
    subprocess.run(command, check=True, timeout=300)
    pictures = sorted(tmp_path.glob("*.png"))
    assert [path.stem for path in pictures] == [
        "motions-contact",
        "report-classes",
        "report-features",
        "report-similarity",
    ]
    for path in pictures:
        assert path.stat().st_size < 500_000
        assert cv2.imread(str(path)).std() > 10  # it shows something
        assert (ROOT / f"docs/figures/{path.name}").exists()


def test_a_missing_report_is_an_error_with_a_hint(tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path / "none.zip")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "run `make` first" in done.stderr
