"""What a failure report contains, and what it must not."""

import json
import os
from pathlib import Path

from worker.comfyui.diagnostics import Diagnostics, disks, gpus, model_counts, versions
from worker.redact import Redact

STATS = {
    "system": {"comfyui_version": "0.33.0", "python_version": "3.12.3 (main, …)", "pytorch_version": "2.9.0+cu128"},
    "devices": [{"name": "cuda:0 NVIDIA L4", "type": "cuda", "index": 0, "vram_total": 24, "vram_free": 3}],
}


def put(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


async def test_a_report_has_the_versions_the_machine_and_the_log(tmp_path: Path) -> None:
    put(tmp_path / "models" / "loras" / "a.safetensors")
    diagnostics = Diagnostics("1.10.1", tmp_path, [tmp_path / "models"], lambda: ["got prompt"], Redact([]))
    diagnostics.stats = STATS

    report = await diagnostics.report("RuntimeError", {"id": "4", "class_type": "KSampler"}, ["line 1\n", "line 2\n"])

    assert report["error_type"] == "RuntimeError"
    assert report["node"] == {"id": "4", "class_type": "KSampler"}
    assert report["traceback"] == ["line 1", "line 2"]
    assert report["comfyui_version"] == "0.33.0"
    assert report["runpod_sdk"] == "1.10.1"
    assert report["gpus"][0]["name"] == "cuda:0 NVIDIA L4"
    assert report["models"] == {str(tmp_path / "models"): {"loras": 1}}
    assert report["log_tail"] == ["got prompt"]
    assert next(iter(report["disk"].values()))["total"] > 0
    json.dumps(report, allow_nan=False)


async def test_a_report_without_an_answer_of_comfyui_says_what_is_known(tmp_path: Path) -> None:
    report = await Diagnostics("1.10.1", tmp_path, [], list, Redact([])).report("comfyui_died")

    assert (report["node"], report["traceback"], report["gpus"], report["models"]) == (None, [], [], {})
    assert report["comfyui_version"] is None


async def test_secrets_are_taken_out_of_every_part_of_a_report(tmp_path: Path) -> None:
    secret = "sesame-open-sesame"
    diagnostics = Diagnostics("1", tmp_path, [], lambda: [f"token {secret}"], Redact([secret]))

    report = await diagnostics.report("x", {"class_type": secret}, [f"Authorization: {secret}"])

    assert secret not in json.dumps(report)


async def test_a_long_traceback_is_cut_to_its_last_lines(tmp_path: Path) -> None:
    lines = [f"{number} " + "x" * 1000 for number in range(100)]

    traceback = (await Diagnostics("1", tmp_path, [], list, Redact([])).report("x", traceback=lines))["traceback"]

    assert len(traceback) == 40
    assert traceback[-1].startswith("99 ")
    assert max(map(len, traceback)) == 500


def test_hidden_files_and_placeholders_are_not_counted_as_models(tmp_path: Path) -> None:
    for name in ("loras/a.safetensors", "loras/sub/b.safetensors", "loras/.c.part", "vae/put_vae_here", "readme.txt"):
        put(tmp_path / name)

    assert model_counts([tmp_path, tmp_path / "not-there"]) == {str(tmp_path): {"loras": 2}}


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "a.safetensors")
    (tmp_path / "models" / "loras").mkdir(parents=True)
    (tmp_path / "models" / "loras" / "circle").symlink_to(tmp_path / "elsewhere")

    assert model_counts([tmp_path / "models"]) == {str(tmp_path / "models"): {}}


def test_a_file_system_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    found = disks([tmp_path, tmp_path / "a", tmp_path / "not-there"])

    assert list(found) == [str(tmp_path)]
    assert found[str(tmp_path)]["free"] <= os.statvfs(tmp_path).f_frsize * os.statvfs(tmp_path).f_blocks


def test_versions_and_devices_are_read_from_system_stats() -> None:
    assert versions(STATS, "1")["python_version"] == "3.12.3"
    assert versions({}, "1") == {
        "comfyui_version": None,
        "python_version": None,
        "torch_version": None,
        "runpod_sdk": "1",
    }
    assert gpus(STATS)[0]["torch_vram_free"] is None
    assert gpus({"devices": None}) == []
