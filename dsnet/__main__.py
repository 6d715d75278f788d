"""``python -m dsnet VERB``: the command line of :mod:`dsnet.cli`."""

from dsnet.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
