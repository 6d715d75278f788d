"""Snakemake, but asking for the state of its jobs every second.

The executor asks after 40 seconds, then at growing intervals of up to three minutes, which no
option changes. Nothing else differs from ``python -m snakemake``. Jobs are started with the Python
that the first argument names.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(
    lambda self: 1, lambda self, seconds: None
)
sys.executable = sys.argv.pop(1)
main()
