"""What the tests of `dsnet doctor` share."""

from collections.abc import Iterable

from dsnet.doctor import Finding


def only(findings: Iterable[Finding]) -> Finding:
    """The one finding of a check that must have no other."""
    (finding,) = findings
    return finding
