"""``python -m dsnet VERB``: the command line of :mod:`dsnet.cli`."""

from dsnet.launching import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # before anything else is imported
    from dsnet.cli import main

    raise SystemExit(main())
