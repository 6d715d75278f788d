"""What jobs cost: read from Snakemake's files, told apart by stage, left-overs set aside."""

import numpy as np
import pytest

from dsnet import costs
from dsnet.errors import RemakeError

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
RUN = "motions/split1/16f/seed0"


@pytest.fixture
def folder(tmp_path):
    """Benchmarks of an experiment, and of an earlier one with other streams and data sets."""
    measured = {
        "table1": "4.0\t0:00:04\t300.5\t1\t1\t1\t0\t0\t50\t2.5",
        "provenance": "99.0\t0:01:39\t999\t1\t1\t1\t0\t0\t50\t98",
        "figures/motions-contact": "1.0\t0:00:01\t20\t1\t1\t1\t0\t0\t50\t0.5",
        "motions/manifest": "0.2\t0:00:00\t-\t-\t-\t-\t-\t-\t-\t-",
        "motions/flow/0001": "7.0\t0:00:07\t100\t1\t1\t1\t0\t0\t50\t6",
        f"{RUN}/flow/train": "30.0\t0:00:30\t500\t1\t1\t1\t0\t0\t50\t29",
        f"{RUN}/flow/evaluate": "3.0\t0:00:03\t200\t1\t1\t1\t0\t0\t50\t2",
        f"{RUN}/fusion/fuse_table2": "2.0\t0:00:02\t90\t1\t1\t1\t0\t0\t50\t1",
        f"{RUN}/gone/train": "99.0\t0:01:39\t999\t1\t1\t1\t0\t0\t50\t98",
        f"{RUN}/fusion/rgb+flow.average": "99.0\t0:01:39\t999\t1\t1\t1\t0\t0\t50\t98",
        "motions/split1/16f/seed1/fusion/fuse": "99.0\t0:01:39\t999\t1\t1\t1\t0\t0\t50\t98",
        "other/manifest": "99.0\t0:01:39\t999\t1\t1\t1\t0\t0\t50\t98",
    }
    for place, line in measured.items():
        path = tmp_path / f"{place}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}{line}\n")
    return tmp_path


def test_jobs_are_told_apart_in_the_order_of_the_stages(folder):
    found = costs.jobs(folder)
    made = {f"{RUN}/flow"}
    found = found[costs.belonging(found, {"motions"}, made)]
    rows = found.replace({np.nan: None}).to_numpy().tolist()
    assert rows == [
        ["manifest", "motions/manifest", 0.2, None, None],
        ["flow", "motions/flow/0001", 7.0, 6.0, 100.0],
        ["train", f"{RUN}/flow/train", 30.0, 29.0, 500.0],
        ["evaluate", f"{RUN}/flow/evaluate", 3.0, 2.0, 200.0],
        ["fuse", f"{RUN}/fusion/fuse_table2", 2.0, 1.0, 90.0],
        ["tables and figures", "figures/motions-contact", 1.0, 0.5, 20.0],
        ["tables and figures", "table1", 4.0, 2.5, 300.5],
    ]


def test_a_repeated_benchmark_counts_once(folder):
    path = folder / "motions/flow/0001.tsv"
    path.write_text(path.read_text() + "8.0\t0:00:08\t101\t1\t1\t1\t0\t0\t50\t7\n")
    found = costs.jobs(folder).set_index("place")
    assert found.loc["motions/flow/0001", "seconds"] == 8
    assert len(found) == 12


def test_an_empty_folder_is_an_error_with_a_hint(tmp_path):
    with pytest.raises(costs.CostError, match="run `snakemake"):
        costs.jobs(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"s\n1\n", b"cpu_time\ts\tmax_rss\n1\tx\t2\n"]
)
def test_a_damaged_measurement_is_named(folder, content):
    (folder / "table1.tsv").write_bytes(content)
    with pytest.raises(RemakeError, match=r"table1\.tsv is damaged"):
        costs.jobs(folder)
