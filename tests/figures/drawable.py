"""Made-up data for the figures that several test files draw."""

import numpy as np
import pandas as pd


def history(epochs, offset=0.0, **terms):
    """Of a stream with these distillation terms, each falling from its value."""
    epoch = np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 3.0 / epoch + offset,
            "val_loss": 4.0 / epoch + offset,
            "train_top1": 10.0 * epoch + offset,
            "val_top1": 8.0 * epoch + offset,
            "loss_ce": 2.0 / epoch + offset,
            **{f"loss_{term}": value / epoch for term, value in terms.items()},
            **{f"grad_{term}": value for term, value in terms.items()},
            "share_ce": 0.5,
        }
    )


def timed():
    """A method that needs no flow, one that does, and one that Table 1 does not have."""
    rows = [
        ("DS", "ds", 4.0, 0.0, ""),
        ("DS + Flow", "ds+flow", 8.0, 32.0, "numba"),
        ("Other", "other", 4.0, 0.0, ""),
    ]
    table = pd.DataFrame(rows, columns=["method", "streams", "ms_network", "ms_flow", "backend"])
    total = table["ms_network"] + table["ms_flow"]
    return table.assign(ms_total=total, device="CPU")


def scored():
    columns = ["dataset", "split", "clip_length", "method", "streams", "top1", "low", "high"]
    rows = [
        ("motions", 1, 16, "DS (16f)", "ds", 70.0, 60.0, 80.0, "measured"),
        ("motions", 1, 16, "DS (16f)", "ds+flow", 90.0, 85.0, 95.0, "measured"),
        ("motions", 2, 16, "DS (16f)", "ds", 10.0, 0.0, 20.0, "measured"),
        ("UCF-101", 1, 16, "DS (16f)", float("nan"), 95.2, 0.0, 0.0, "reported"),
    ]
    return pd.DataFrame(rows, columns=[*columns, "source"]).assign(n_missing=0)


def table1():
    columns = ["dataset", "split", "clip_length", "method", "column"]
    columns += ["top1", "top1_std", "paper_top1", "source"]
    nan = float("nan")
    rows = [
        ("motions", 1, 16, "Two streams (16f)", "RGB", 40.0, 2.0, nan, "measured"),
        ("motions", 1, 16, "Two streams (16f)", "Flow", 90.0, 3.0, nan, "measured"),
        ("UCF-101", 1, 16, "MARS (16f)", "Mimic", 70.0, nan, 94.6, "measured"),
        ("HMDB-51", 1, 16, "MARS (16f)", "Mimic", 72.3, nan, 72.3, "reported"),
    ]
    return pd.DataFrame(rows, columns=columns)
