"""Results of a training: a row per epoch, the best weights, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from dsnet.experiment.specs import TrainSpec
from dsnet.models import Backbone, checkpoints
from dsnet.provenance import replacing
from dsnet.store import Reader
from dsnet.training import trainer

# Columns of every history; columns for the loss's terms follow.
COLUMNS = ("epoch", "lr", "train_loss", "train_top1", "val_loss", "val_top1", "seconds")


class Results:
    """Results of the epochs so far.

    Args:
        folder: where the files are written.
        spec: see :class:`dsnet.experiment.specs.TrainSpec`.
        reader: of ``clips.h5``. A model records how frames and flow were made, for prediction.
        sources: what the training is made from.
        provenance: :func:`dsnet.provenance.record`.

    Attributes:
        history: for every epoch a row of numbers by name; ``epoch`` counts from 1.
        best: rank, number and weights of the best epoch; ``None`` before the first one ends.
        warnings: texts about the training, for the model.
    """

    def __init__(
        self,
        folder: Path,
        spec: TrainSpec,
        reader: Reader,
        sources: Mapping[str, Any],
        provenance: Mapping[str, Any],
    ) -> None:
        self.folder, self.spec, self.reader = folder, spec, reader
        self.sources, self.provenance = sources, provenance
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] | None = None
        self.warnings: list[str] = []

    def add(self, row: dict[str, float], network: Backbone) -> None:
        """Add an epoch's row, and keep the weights if it is the best so far."""
        self.history.append(row)
        rank = trainer.rank(row)
        if self.best is None or rank > tuple(self.best["rank"]):
            weights = {name: value.clone() for name, value in _weights(network).items()}
            self.best = {"rank": list(rank), "epoch": row["epoch"], "state_dict": weights}

    def about(self) -> dict[str, Any]:
        """Return the description that every file of the network has."""
        return {
            "format": checkpoints.FORMAT,
            "version": checkpoints.VERSION,
            "arch": self.spec.model.arch(),
            "input": self.spec.stream.input,
            "classes": list(self.reader.extra["classes"]),
            "warnings": self.warnings,
            "spec": self.spec.values(),
            "data": self.reader.spec,
            "sources": dict(self.sources),
            "provenance": self.provenance,
        }

    def state(self) -> dict[str, Any]:
        """Return everything that an epoch changes."""
        return {"epoch": len(self.history), "history": self.history, "best": self.best}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the results of :meth:`about` and :meth:`state`."""
        self.history, self.best = state["history"], state["best"]
        self.warnings = state["warnings"]

    def write(self, network: Backbone) -> None:
        """Write ``history.csv`` and, with the weights that the spec selects, ``model.pt``.

        Without an epoch, ``network`` has the weights, and the history has only its header.
        """
        last = {"epoch": len(self.history), "state_dict": _weights(network)}
        best = self.best or last
        selected = best if self.spec.stream.training.select == "best" else last
        checkpoints.save(
            self.folder / "model.pt",
            {
                **self.about(),
                "state_dict": selected["state_dict"],
                "epoch": selected["epoch"],
                "best": best,
                "last": last,
            },
        )
        with replacing(self.folder / "history.csv") as temporary:
            columns = None if self.history else COLUMNS
            pd.DataFrame(self.history, columns=columns).to_csv(temporary, index=False)


def _weights(network: Backbone) -> dict[str, Tensor]:
    """Return the weights on the CPU; if the network is there too, they change with it."""
    return {name: value.detach().cpu() for name, value in network.state_dict().items()}


def to_board(board: SummaryWriter | None, row: Mapping[str, float]) -> None:
    """Write an epoch's row to TensorBoard, grouped by first words, if there is a board."""
    if board is None:
        return
    for name, value in row.items():
        if name != "epoch":
            board.add_scalar(name.replace("_", "/", 1), value, int(row["epoch"]))
