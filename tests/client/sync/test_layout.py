import pytest

from client.sync.layout import LayoutUnreadable, ModelFolder, extra_sources, is_model, is_wanted


def test_comfyuis_example_file_maps_to_the_volumes_folders() -> None:
    section = {
        "base_path": "/srv/sd",
        "is_default": True,
        "checkpoints": "models/Stable-diffusion",
        "loras": "models/Lora\nmodels/LyCORIS\n",
        "unet": "/mnt/unet",
        "clip": "~/clip",
        "custom_nodes": "nodes",
    }

    assert list(extra_sources({"a111": section, "empty": None})) == [
        ModelFolder("/srv/sd/models/Stable-diffusion", "checkpoints"),
        ModelFolder("/srv/sd/models/Lora", "loras"),
        ModelFolder("/srv/sd/models/LyCORIS", "loras"),
        ModelFolder("/mnt/unet", "diffusion_models"),
        ModelFolder("~/clip", "text_encoders"),
    ]


@pytest.mark.parametrize("value", [["a"], "text", {"a": "b"}])
def test_what_is_no_such_file_is_refused(value: object) -> None:
    with pytest.raises(LayoutUnreadable):
        list(extra_sources(value))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("checkpoints/a.safetensors", True),
        ("loras/sub/b.pt", True),
        ("configs/v1.yaml", True),
        ("checkpoints/put_checkpoints_here", False),
        ("checkpoints/.DS_Store", False),
        (".cache/x.bin", False),
        ("vae/a.safetensors.part", False),
        ("vae/a.safetensors.aria2", False),
    ],
)
def test_hidden_and_unfinished_files_are_no_models(name: str, sent: bool) -> None:
    assert is_model(name) is sent


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [((), (), True), (("loras/*",), (), True), (("vae/*",), (), False), (("*",), ("*.pt",), False)],
)
def test_patterns_choose_by_the_whole_name(include: tuple[str, ...], exclude: tuple[str, ...], wanted: bool) -> None:
    assert is_wanted("loras/sub/b.pt", include, exclude) is wanted
