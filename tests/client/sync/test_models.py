from pathlib import Path

import pytest

from client.sync.models import ModelsUnreadable, find_models


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(local: Path, *extra: Path) -> dict[str, Path]:
    return {model.name: model.path for model in find_models(local, extra, (), ()).models}


def test_a_checkout_is_its_models_folder_and_what_its_extra_file_names(tmp_path: Path) -> None:
    checkout, other = tmp_path / "ComfyUI", tmp_path / "sd"
    touch(checkout / "main.py")
    inside = touch(checkout / "models" / "checkpoints" / "a.safetensors")
    lora = touch(other / "Lora" / "sub" / "b.safetensors")
    unet = touch(tmp_path / "unet" / "c.gguf")
    touch(
        checkout / "extra_model_paths.yaml",
        f"a111:\n  base_path: {other}\n  loras: Lora\n  unet: {tmp_path}/unet\n  vae: nowhere\n".encode(),
    )
    expected = {"checkpoints/a.safetensors": inside, "loras/sub/b.safetensors": lora, "diffusion_models/c.gguf": unet}

    assert names(checkout) == expected
    assert names(checkout / "models") == expected
    assert find_models(checkout, (), (), ()).remarks == (f"skipped: {other}/nowhere does not exist",)


def test_a_relative_base_path_is_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    file = touch(tmp_path / "conf" / "more.yaml", b"x:\n  base_path: ../sd\n  vae: VAE\n")
    vae = touch(tmp_path / "sd" / "VAE" / "v.pt")

    assert {name: path.resolve() for name, path in names(tmp_path / "models", file).items()} == {"vae/v.pt": vae}


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    models = tmp_path / "models"
    real = touch(tmp_path / "big" / "a.safetensors")
    (models / "checkpoints").mkdir(parents=True)
    (models / "checkpoints" / "linked").symlink_to(real.parent)
    (models / "loop").symlink_to(models)
    (models / "checkpoints" / "dead.pt").symlink_to(tmp_path / "nowhere")
    found = find_models(models, (), (), ())

    assert [model.name for model in found.models] == ["checkpoints/linked/a.safetensors"]
    assert found.remarks == (f"skipped: {models}/checkpoints/dead.pt, a broken link",)


def test_of_two_files_of_one_name_the_first_is_sent_and_the_other_named(tmp_path: Path) -> None:
    first = touch(tmp_path / "models" / "vae" / "v.pt", b"1")
    second = touch(tmp_path / "other" / "v.pt", b"2")
    more = touch(tmp_path / "more.yaml", f"x:\n  vae: {second.parent}\n".encode())
    found = find_models(tmp_path / "models", (more,), (), ())

    assert [model.path for model in found.models] == [first]
    assert str(second) in found.remarks[0]


@pytest.mark.parametrize("text", ["- a", "a: [", "a: text"])
def test_an_extra_file_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    file = touch(tmp_path / "more.yaml", text.encode())

    with pytest.raises(ModelsUnreadable, match=r"more\.yaml"):
        find_models(tmp_path, (file,), (), ())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelsUnreadable, match="no such folder"):
        find_models(tmp_path / "nowhere", (), (), ())
