"""Errors after which this machine computes nothing right any more, whatever is started again. Pure."""

import re
from collections.abc import Iterable

_POISON = re.compile(
    r"CUDA error: (?!out of memory)[^\n]{1,200}"  # illegal memory access, device-side assert, launch failure, ECC…
    r"|device-side assert triggered"
    r"|an illegal memory access was encountered"
    r"|CUDNN_STATUS_(?:INTERNAL_ERROR|EXECUTION_FAILED|MAPPING_ERROR)"
    r"|CUBLAS_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)"
    r"|uncorrectable (?:NVLink|ECC) error[^\n]{0,100}"
    r"|GPU (?:has fallen off the bus|is lost)"
    r"|No CUDA GPUs are available|Found no NVIDIA driver|CUDA driver version is insufficient[^\n]{0,100}",
    re.IGNORECASE,
)


def poison(texts: Iterable[str]) -> str | None:
    """The first words in *texts* that say so; None when there are none."""
    return next((match[0].strip() for text in texts if (match := _POISON.search(text))), None)
