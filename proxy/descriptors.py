"""How many files and connections this process may have open at once: on Linux and macOS a number of its own, which is
often far below what the machine allows.
"""

import contextlib
import errno
import sys

_ENOUGH = (65_536, 10_240)
"""the second is all that macOS allows"""
OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""the error numbers of accept() when none is left"""


def raise_limit() -> None:
    """Allow this process as many as the machine allows it, within reason; what it has started keeps its own limit."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415  Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for enough in _ENOUGH:
        wanted = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
        with contextlib.suppress(ValueError, OSError):
            if soft == resource.RLIM_INFINITY or soft >= wanted:
                return
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return


def descriptors() -> int:
    """How many there may be now; Windows has no such limit for connections."""
    if sys.platform == "win32":
        return _ENOUGH[0]
    import resource  # noqa: PLC0415  Windows has none

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH[0] if soft == resource.RLIM_INFINITY else min(soft, _ENOUGH[0])
