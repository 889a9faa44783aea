"""The models of the manifests come once, those of a job each time."""

from pathlib import Path

import pytest

from tests.worker.models.conftest import CONTENT, Host
from wire.models import ModelRef
from worker.models.downloads import Downloads, ModelUnavailable
from worker.models.required_models import RequiredModels
from worker.models.sources import ModelSources


def required(root: Path, manifest: str | None = None) -> RequiredModels:
    root.mkdir(exist_ok=True)
    downloads = Downloads(root, ModelSources(None, {}, allow_private=True), retry_s=0.001)
    return RequiredModels(downloads, root, manifest)


async def silent(_: str) -> None:
    return


def entry(host: Host, folder: str) -> str:
    return f'[{{"source": "{host.url}/model.safetensors", "folder": "{folder}"}}]'


def there(root: Path) -> set[str]:
    return {path.parent.name for path in root.rglob("*.safetensors") if path.read_bytes() == CONTENT}


async def test_the_models_of_the_setting_and_of_the_folder_are_downloaded(tmp_path: Path, host: Host) -> None:
    models = required(tmp_path, entry(host, "vae"))
    (tmp_path / "models.yaml").write_text(f"models:\n- {{source: '{host.url}/model.safetensors', folder: loras}}\n")
    (tmp_path / "models.json").write_text(entry(host, "checkpoints"))

    was_missing = await models.ensure([], silent)

    assert there(tmp_path) == {"vae", "loras", "checkpoints"}
    assert (was_missing, await models.ensure([], silent)) == (True, False)


async def test_a_manifest_may_be_a_file(tmp_path: Path, host: Host) -> None:
    (tmp_path / "list.json").write_text(entry(host, "vae"))

    await required(tmp_path / "models", f" {tmp_path / 'list.json'}\n").ensure([], silent)

    assert there(tmp_path / "models") == {"vae"}


async def test_the_manifests_are_read_for_the_first_job_only(tmp_path: Path, host: Host) -> None:
    models = required(tmp_path, entry(host, "vae"))
    await models.ensure([], silent)
    (tmp_path / "vae" / "model.safetensors").unlink()

    await models.ensure([ModelRef(source=f"{host.url}/model.safetensors", folder="loras")], silent)

    assert there(tmp_path) == {"loras"}


async def test_manifests_whose_models_did_not_come_are_tried_again_by_the_next_job(tmp_path: Path, host: Host) -> None:
    models = required(tmp_path, entry(host, "vae"))
    host.break_after = 10
    with pytest.raises(ModelUnavailable):
        await models.ensure([], silent)
    host.break_after = None

    await models.ensure([], silent)

    assert there(tmp_path) == {"vae"}


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("/not/there.yaml", "MODELS_MANIFEST: .*No such file"),
        ("{", "MODELS_MANIFEST: the manifest of models is not YAML"),
        ('[{"folder": "loras"}]', "MODELS_MANIFEST: model 1 of the manifest: source"),
        ('[{"source": "ftp://x/a.bin", "folder": "loras"}]', "not a source of models"),
    ],
)
async def test_a_wrong_manifest_says_where_and_what_is_wrong(tmp_path: Path, manifest: str, reason: str) -> None:
    with pytest.raises(ModelUnavailable, match=reason):
        await required(tmp_path, manifest).ensure([], silent)


async def test_a_wrong_manifest_on_the_volume_is_named_by_its_path(tmp_path: Path) -> None:
    models = required(tmp_path)
    (tmp_path / "models.yml").write_text("3")

    with pytest.raises(ModelUnavailable, match=str(tmp_path / "models.yml")):
        await models.ensure([], silent)
