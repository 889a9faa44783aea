"""scripts/sync-models.py, in process: what it refuses, and which method it takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from client.sync.cli import list_models, main, sync, verify
from client.sync.volume import ModelVolume, key_of
from storage.objects import S3Location
from storage.s3 import Bucket
from tests.support.s3 import ACCESS, SECRET
from tests.support.stack import PROJECT


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "loras" / "a.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a" * 1000)
    return tmp_path / "models"


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    unset = ("RUNPOD_VOLUME_ID", "RUNPOD_S3_ACCESS_KEY", "RUNPOD_S3_SECRET_KEY", "RUNPOD_DATACENTER", "RUNPOD_API_KEY")
    return CliRunner(env={**dict.fromkeys(unset), "COMFY_RUNPOD_HOME": str(tmp_path / "home")})


@pytest.fixture
def keys(volume: S3Location) -> Iterator[dict[str, str]]:
    """The variables for a volume that is empty."""
    yield {"RUNPOD_S3_ENDPOINT_URL": volume.url, "RUNPOD_S3_ACCESS_KEY": ACCESS, "RUNPOD_S3_SECRET_KEY": SECRET}
    bucket = Bucket(volume)
    for key in bucket.sizes(""):
        bucket.delete(key)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["models"], "VOLUME_ID: not given, and RUNPOD_VOLUME_ID is not set"),
        (["nowhere", "vol1"], "nowhere: no such folder"),
        (["models", "vol1", "--include", "vae/*"], "models: no matching models there"),
        (["models", "vol1", "--method", "s3"], "not set: RUNPOD_S3_ACCESS_KEY"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    runner: CliRunner, models: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(models.parent)
    done = runner.invoke(sync, arguments)

    assert done.exit_code == 1
    assert says in done.output
    assert done.output.count("\n") == 1


def test_wrong_settings_have_an_exit_status_of_their_own(runner: CliRunner, models: Path) -> None:
    done = runner.invoke(sync, [str(models), "no/id"])

    assert done.exit_code == 2
    assert done.output.startswith("RUNPOD_VOLUME_ID=no/id: ")


@pytest.mark.parametrize("arguments", [["--part-size", "4"], ["--part-size", "501"], ["--parallel", "0"]])
def test_numbers_that_the_storage_would_refuse_are_refused_here(
    runner: CliRunner, models: Path, arguments: list[str]
) -> None:
    assert runner.invoke(sync, [str(models), "vol1", *arguments]).exit_code == 2


def test_with_its_keys_the_volume_is_written_directly(
    runner: CliRunner, models: Path, volume: S3Location, keys: dict[str, str]
) -> None:
    done = runner.invoke(sync, [str(models), volume.name], env=keys)
    listed = runner.invoke(list_models, [volume.name], env=keys)
    checked = runner.invoke(verify, [volume.name], env=keys)

    assert (done.exit_code, listed.exit_code, checked.exit_code) == (0, 0, 0), done.output + checked.output
    assert listed.stdout == "    1.0 kB  loras/a.safetensors\n"
    assert "1 of 1 files are intact" in checked.output


def test_the_list_says_what_is_not_as_it_was_sent(
    runner: CliRunner, models: Path, volume: S3Location, keys: dict[str, str]
) -> None:
    runner.invoke(sync, [str(models), volume.name], env=keys)
    bucket = Bucket(volume)
    bucket.put(key_of("loras/a.safetensors"), b"cut")
    bucket.put(key_of("vae/theirs"), b"x")
    listed = runner.invoke(list_models, [volume.name], env=keys)
    checked = runner.invoke(verify, [volume.name], env=keys)

    assert listed.stdout.splitlines() == [
        "   3 bytes  loras/a.safetensors  (changed since it was sent)",
        "    1 byte  vae/theirs  (not sent by this command)",
    ]
    assert checked.exit_code == 1
    assert set(ModelVolume(bucket).manifest()) == {"loras/a.safetensors"}


def test_without_keys_the_models_go_into_an_archive(
    runner: CliRunner, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "runpodctl").symlink_to(PROJECT / "tests" / "support" / "runpodctl")
    monkeypatch.chdir(tmp_path)
    done = runner.invoke(sync, [str(models), "vol1", "--dry-run"], env={"PATH": str(tmp_path / "bin")})

    assert done.exit_code == 0, done.output
    assert done.stdout == "would send  loras/a.safetensors  1.0 kB\n"
    assert not (tmp_path / "models.zip").exists()


@pytest.mark.parametrize(("more", "sent"), [((), False), (("--overwrite",), True)])
def test_an_empty_file_is_not_in_an_archive(
    runner: CliRunner, models: Path, tmp_path: Path, more: tuple[str, ...], sent: bool
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "runpodctl").symlink_to(PROJECT / "tests" / "support" / "runpodctl")
    (models / "loras" / "empty.pt").touch()
    done = runner.invoke(sync, [str(models), "vol1", "--dry-run", *more], env={"PATH": str(tmp_path / "bin")})

    assert done.exit_code == 0, done.output
    assert ("would send  loras/empty.pt" in done.stdout) is sent
    assert ("left alone  loras/empty.pt: it is empty here" in done.stderr) is not sent


@pytest.mark.parametrize(("arguments", "title"), [([], "sync-models.py"), (["list"], "sync-models.py list")])
def test_each_command_has_its_own_help(capsys: pytest.CaptureFixture[str], arguments: list[str], title: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--help"])

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"Usage: {title} [OPTIONS]")
