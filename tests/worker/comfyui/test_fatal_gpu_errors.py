"""Errors after which another worker is needed, and errors after which this one goes on."""

import pytest

from worker.comfyui.fatal_gpu_errors import fatal_gpu_error


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("RuntimeError: CUDA error: unspecified launch failure", "CUDA error: unspecified launch failure"),
        ("x: an illegal memory access was encountered", "an illegal memory access was encountered"),
        ("CUDA error: device-side assert triggered\nCompile with …", "CUDA error: device-side assert triggered"),
        ("../aten/src/…: device-side assert triggered", "device-side assert triggered"),
        ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "CUDNN_STATUS_EXECUTION_FAILED"),
        ("CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "CUBLAS_STATUS_NOT_INITIALIZED"),
        ("uncorrectable ECC error encountered", "uncorrectable ECC error encountered"),
        ("NVRM: GPU has fallen off the bus.", "GPU has fallen off the bus"),
        ("RuntimeError: No CUDA GPUs are available", "No CUDA GPUs are available"),
        ("CUDA driver version is insufficient for it", "CUDA driver version is insufficient for it"),
    ],
)  # fmt: skip
def test_an_error_that_no_restart_of_comfyui_mends_is_found(line: str, found: str) -> None:
    assert fatal_gpu_error(["got prompt", line, "Prompt executed"]) == found


@pytest.mark.parametrize(
    "line",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "RuntimeError: CUDA error: out of memory",
        "CUDNN_STATUS_NOT_SUPPORTED",
        "Using CUDA device 0",
        "",
    ],
)
def test_an_error_of_the_graph_is_not_fatal(line: str) -> None:
    assert fatal_gpu_error([line]) is None


def test_the_first_of_several_is_told() -> None:
    assert fatal_gpu_error(["GPU is lost", "No CUDA GPUs are available"]) == "GPU is lost"
