"""The verbs of ``python -m dsnet``: the rules of the workflow, and tools beside it.

No logic of its own: a verb hands its options to one function of the library.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from dsnet.cli import data, results, streams, tools
from dsnet.cli.options import Run
from dsnet.errors import UserError

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it went well, 1 on an error that its message explains."""
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        if getattr(options, "processes", 1) > 1:
            from dsnet.distributed import launch, launched

            if not launched():
                launch(options.processes, sys.argv[1:] if arguments is None else arguments)
        options.run(options)
    except (UserError, OSError) as error:  # a bug keeps its traceback
        log.error("%s: %s", options.verb, error)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="dsnet", description=__doc__)
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(run: Run) -> argparse.ArgumentParser:
        sub = verbs.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
        sub.set_defaults(run=run)
        return sub

    for stage in (data, streams, results, tools):
        stage.add(verb)
    return top
