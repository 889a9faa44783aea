"""Errors after which this machine's GPU computes nothing right any more, even for a new ComfyUI. Pure."""

import re
from collections.abc import Iterable

_FATAL = re.compile(
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


def fatal_gpu_error(texts: Iterable[str]) -> str | None:
    """The first such error that *texts* have; None without one."""
    return next((match[0].strip() for text in texts if (match := _FATAL.search(text))), None)
