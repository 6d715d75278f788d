"""The verbs beside the workflow."""

from __future__ import annotations

import argparse
from pathlib import Path

from dsnet.cli.options import Verb


def add(verb: Verb) -> None:
    """Add the verbs to the command line."""
    actions = verb(checkpoint).add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "say what a file of weights holds: ours, MARS's or 3D-ResNets-PyTorch's"
    sub = actions.add_parser("inspect", help=about, description=about)
    sub.add_argument("file", type=Path)
    about = "write weights as model.pt (OUTPUT ends in .pt) or in MARS's layout (.pth)"
    sub = actions.add_parser("convert", help=about, description=about)
    sub.add_argument("file", type=Path)
    sub.add_argument("output", type=Path)
    sub.add_argument("--classes", type=Path, help="names in label order, a line each, for .pt")


def checkpoint(options: argparse.Namespace) -> None:
    """Inspect or convert a file of weights."""
    from dsnet import models

    if options.action == "inspect":
        print(models.inspect(options.file).describe())
        return
    names = options.classes and options.classes.read_text(encoding="utf-8").splitlines()
    models.convert(options.file, options.output, names)
