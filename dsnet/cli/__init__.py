"""The verbs of ``python -m dsnet``: the rules of the workflow, and tools beside it.

There is no logic here: a verb gives its options to one function of the library. The help lists the
tools, which are for people, and then names the rules.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
import textwrap
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from dsnet import caches, gpus
from dsnet.cli import stages, tools
from dsnet.cli.options import Run
from dsnet.disk import DiskFullError, naming_full_disk
from dsnet.errors import RemakeError, UserError, set_aside
from dsnet.launching import catch_interrupt, launch, launched
from dsnet.stages import STAGES

log = logging.getLogger(__name__)
INTERRUPTED = 130  # as shells say it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return 0 on success, 1 on an error that its message explains.

    Without any argument it shows the help and returns 2; after Ctrl-C it returns 130.
    """
    if not (sys.argv[1:] if arguments is None else arguments):
        parser().print_help()
        return 2
    options = parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if isinstance(sys.stdout, io.TextIOWrapper):  # as stderr does: a name may not be UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        caches.provide()
        gpus.lease(getattr(options, "gpus", 0), getattr(options, "device", "auto"))
        if getattr(options, "processes", 1) > 1 and not launched():
            launch(options.processes, sys.argv[1:] if arguments is None else arguments)
        if options.verb not in STAGES:  # stages leave nothing half-written when they are killed
            catch_interrupt()
        with naming_full_disk(_first_output(options)):
            options.run(options)
    except RemakeError as error:
        # Of a verb for people, nothing may be lost: the file may be all that there is.
        advice = set_aside(error) if options.verb in STAGES else "nothing was moved"
        log.error("%s: %s; %s", options.verb, error, advice)
        return 1
    except DiskFullError as error:
        # Also here: stderr may go to a log on the full disk.
        print(f"{options.verb}: {error}", flush=True)
        log.error("%s: %s", options.verb, error)
        return 1
    except BrokenPipeError:  # the reader, such as head, has closed the output
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (UserError, OSError) as error:  # a bug keeps its traceback
        log.error("%s: %s", options.verb, error)
        return 1
    except KeyboardInterrupt:
        log.error("%s: stopped", options.verb)
        return INTERRUPTED
    return 0


def _version() -> str:
    try:
        return metadata.version("dsnet")
    except metadata.PackageNotFoundError:
        return "dsnet is not installed"


def _first_output(options: argparse.Namespace) -> Path:
    """Return the first file or folder that a verb makes."""
    output = getattr(options, getattr(options, "made", "output"), None) or Path()
    return output[0] if isinstance(output, list) else output


def parser() -> argparse.ArgumentParser:
    """Make the command line."""
    top = argparse.ArgumentParser(
        prog="dsnet",
        description="Recognise actions in videos with streams that the workflow trains.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_version())
    verbs = top.add_subparsers(
        dest="verb", required=True, metavar="VERB", help="dsnet VERB --help says more"
    )
    people: list[str] = []

    def verb(run: Run) -> argparse.ArgumentParser:
        sub = verbs.add_parser(run.__name__, description=run.__doc__)
        sub.set_defaults(run=run)
        people.append(f"  {run.__name__:<12}{run.__doc__}")
        return sub

    tools.add(verb)
    for stage in STAGES.values():
        stages.add(verbs, stage)
    rules = textwrap.wrap(", ".join(STAGES), 76, initial_indent="  ", subsequent_indent="  ")
    groups = ("verbs for people:", *people, "", "rules of the workflow, for Snakemake:", *rules)
    top.epilog = "\n".join(groups)
    return top
