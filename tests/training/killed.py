"""A training that is killed at a moment: ``python killed.py SPEC CLIPS OUTPUT MOMENT``."""

import os
import signal
import sys

import pandas as pd
import torch

from dsnet import training
from dsnet.experiment.specs import TrainSpec
from dsnet.training import gradients, resuming, trainer


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_step():
    """In the third epoch, whose first step has changed the weights."""

    def dying(terms, *where):
        if where == (3, 2):
            die()
        return gradients.check_finite(terms, *where)

    save = resuming.Saver.save
    trainer.check_finite = dying
    resuming.Saver.save = lambda saver, state: (save(saver, state), saver.wait())


def in_a_checkpoint():
    """With half of the third epoch's checkpoint written."""
    save, calls = torch.save, []

    def dying(content, path):
        save(content, path)
        if ".checkpoint.pt" in str(path):
            calls.append(path)
        if len(calls) == 3:
            os.truncate(path, os.path.getsize(path) // 2)
            die()

    torch.save = dying


def between_the_results():
    """With ``model.pt`` in place and no ``history.csv``."""
    pd.DataFrame.to_csv = die


MOMENTS = {f.__name__: f for f in (in_a_step, in_a_checkpoint, between_the_results)}

if __name__ == "__main__":
    spec, clips, output, moment = sys.argv[1:]
    MOMENTS[moment]()
    training.train(TrainSpec.model_validate_json(spec), clips, output)
