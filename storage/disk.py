"""What a failed file operation means: wait until the disk can be written again, or choose another name."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wire.errors import Unavailable
from wire.limits import MIB

_RESERVE, _RESERVED_SHARE = 512 * MIB, 0.02
"""bytes, or the share of a small disk, that are left to everybody else on the machine"""

_PASSING_NAMES = (
    "ENOSPC EDQUOT EFBIG EROFS EACCES EPERM EIO EMFILE ENFILE ENOMEM ENOBUFS EBUSY EAGAIN EINTR EDEADLK ENOLCK ETXTBSY"
    " ESTALE ENODEV ENXIO ENOTCONN ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ECONNRESET ECONNABORTED"
    " EREMOTEIO ENOMEDIUM ESHUTDOWN"
)
_PASSING = frozenset(getattr(errno, name) for name in _PASSING_NAMES.split() if hasattr(errno, name))
_PASSING_ON_WINDOWS = frozenset(
    {
        *(4, 5, 8, 14, 19, 21, 23, 29, 30, 32, 33),  # too many open files … lock violation
        *(39, 53, 54, 55, 58, 59, 64, 65, 67, 71),  # the disk is full; the network does not answer
        *(112, 121, 170, 231, 1117, 1167, 1231, 1295, 1392, 1393, 1450, 1453),  # the disk is full … no resources
    }
)
"""Source: Microsoft, System Error Codes. Python translates most codes that it does not know to EINVAL."""


class DiskUnavailable(Unavailable):
    """The disk is full or cannot be written just now; the text names the path. Nothing is lost: try again later."""


def is_passing(error: OSError) -> bool:
    """Whether the same call may succeed later: the disk is full, denied or broken.

    False: the name is at fault (too long, not a directory, taken, not legal here), so another one may work.
    """
    if (windows := getattr(error, "winerror", None)) is not None:
        return windows in _PASSING_ON_WINDOWS
    return error.errno in _PASSING


def unavailable(path: Path, error: OSError) -> DiskUnavailable:
    return DiskUnavailable(f"cannot write {path}: {error.strerror or error}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """For files whose names are ours: whatever goes wrong in the block is the disk's fault. Raises DiskUnavailable."""
    try:
        yield
    except OSError as error:
        raise unavailable(path, error) from error


def require_room(folder: Path, size: int) -> None:
    """Raises DiskUnavailable when *size* bytes more in *folder* would fill its disk."""
    usage = shutil.disk_usage(folder)
    if usage.free - size < min(_RESERVE, usage.total * _RESERVED_SHARE):
        raise DiskUnavailable(f"cannot write into {folder}: the disk is nearly full, {usage.free // MIB} MiB are free")
