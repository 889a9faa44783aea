"""How much processor time a process and its children have used. Source: Linux, proc(5), ``/proc/[pid]/stat``."""

import os
from collections.abc import Iterator
from pathlib import Path

_PARENT, _USED = 1, slice(11, 15)
"""fields after the name: ppid; utime, stime, cutime and cstime, the last two of children that have ended"""


def processor_seconds(pid: int, proc: Path = Path("/proc")) -> float | None:
    """Of *pid* and all that it has started, also of what has ended; None when nobody can tell."""
    fields = dict(_stats(proc))
    if pid not in fields:
        return None
    ticks = sum(sum(map(int, fields[one][_USED])) for one in _family(pid, fields))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stats(proc: Path) -> Iterator[tuple[int, list[str]]]:
    for folder in proc.glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has just ended
            continue
        yield int(folder.name), text.rpartition(")")[2].split()


def _family(pid: int, fields: dict[int, list[str]]) -> list[int]:
    family = [pid]
    for one in family:  # grows meanwhile
        family += [other for other, found in fields.items() if int(found[_PARENT]) == one]
    return family
