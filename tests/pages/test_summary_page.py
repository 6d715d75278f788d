"""The report's first page says what the tables say."""

import base64

import pandas as pd
import pytest
from parsed import Page

from dsnet.pages import summary_page

TITLES = {"rgb": "RGB", "ds": "<DS>", "flow": "Flow"}
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.fixture
def write(tmp_path):
    """A function that writes a page of results by stream, and returns its source."""

    def make(
        top1: dict[str, float],
        seeds: int = 1,
        std: float | None = None,
        sets: int = 1,
        streams: tuple[str, ...] = ("rgb", "ds", "flow"),
    ) -> str:
        place = {"split": 1, "clip_length": 16, "source": "measured", "n_videos": 200}
        rows = [
            {**place, "dataset": f"set {n}", "streams": name, "top1": value - 10 * n}
            for n in range(sets)
            for name, value in top1.items()
        ]
        table = pd.DataFrame([*rows, {"source": "reported", "dataset": "UCF-101"}])
        cost = pd.DataFrame({"streams": list(top1), "device": "CPU, 1 thread"})
        cost["ms_total"] = [1.25 * (n + 1) for n in range(len(top1))]
        (tmp_path / "a.svg").write_text(PICTURE)
        output = tmp_path / "summary.html"
        table = table.assign(seeds=seeds, top1_std=std)
        summary_page(table, cost, streams, TITLES, tmp_path / "a.svg", output)
        return output.read_text()

    return make


def test_three_numbers_of_the_first_data_set(write):
    page = write({"rgb": 27.2, "ds": 78.94, "rgb+flow": 74.5}, seeds=5, std=4.02, sets=3)
    assert "set 0, split 1, 16 frames; 2 more in Table 1" in page
    assert "<dt>78.9 <small>%" in page
    assert "top-1 of &lt;DS&gt;, 200 test videos, 5 seeds, ±4.0<" in page
    assert "<dt>+51.7 <small>points</small></dt><dd>beside RGB, which has 27.2 %" in page
    assert "<dt>2.5 <small>ms" in page
    assert "CPU, 1 thread; RGB + Flow takes 3.8 ms and has 74.5 %" in page


@pytest.mark.parametrize(
    ("student", "gain"),
    [(30.0, "+2.8"), (27.2, "0.0"), (27.16, "0.0"), (20.0, "\N{MINUS SIGN}7.2")],
)
def test_a_loss_is_told_as_a_loss(write, student, gain):
    page = write({"rgb": 27.2, "ds": student, "rgb+flow": 74.5})
    assert f"<dt>{gain} <small>points" in page
    assert "one seed" in page
    assert "more in Table 1" not in page


def test_without_a_student_the_two_streams_are_compared(write):
    page = write({"rgb": 30.0, "flow": 50.0, "rgb+flow": 60.0}, streams=("rgb", "rgb", "flow"))
    assert "top-1 of RGB" in page
    assert "\N{MINUS SIGN}20.0 <small>points</small></dt><dd>beside Flow, which has 50.0 %" in page


def test_it_needs_no_other_file(write, tmp_path):
    page = write({"rgb": 1.0, "ds": 2.0, "rgb+flow": 3.0})
    assert base64.b64encode(PICTURE.encode()).decode() in page
    Page.read(tmp_path / "summary.html").assert_whole_in_itself()
