from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.settings import Settings, SettingsError, data_home, environment_for_others, is_loopback, load_settings

GOOD_TOKEN = "Zq3x-7Kp_0aT9.uVw"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)


def complaints(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[str, ...]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(None)
    return caught.value.lines


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings(None)

    assert (settings.proxy_host, settings.proxy_port) == ("127.0.0.1", 8189)
    assert settings.comfyui_url == "http://127.0.0.1:8188"
    assert settings.endpoint_ids == ()
    assert settings.comfy_runpod_home.name == "comfy-runpod"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROXY_HOST", "my.machine"),
        ("PROXY_HOST", "0.0.0.0"),
        ("PROXY_PORT", "abc"),
        ("PROXY_PORT", "0"),
        ("PROXY_PORT", "65536"),
        ("PROXY_ALLOW_REMOTE", "perhaps"),
        ("PROXY_HOSTS", "box.lan:8189"),
        ("PROXY_HOSTS", "http://box.lan/"),
        ("PROXY_HOSTS", "*"),
        ("PROXY_HOSTS", "[::1]"),
        ("PROXY_HOSTS", "box..lan"),
        ("PROXY_HOSTS", ","),
        ("PROXY_HOSTS", "box.lan box.example"),
        ("COMFYUI_URL", "127.0.0.1:8188"),
        ("COMFYUI_URL", "ftp://127.0.0.1"),
        ("COMFYUI_URL", "http://"),
        ("COMFYUI_URL", "http://127.0.0.1:99999"),
        ("COMFYUI_URL", "http://127.0.0.1:8188/comfy"),
        ("COMFYUI_URL", "http://ada:pw@127.0.0.1:8188"),
        ("COMFYUI_URL", "http://localhost:8189"),
        ("COMFYUI_DIR", "/nowhere"),
        ("COMFYUI_PYTHON", "/nowhere/python"),
        ("RUNPOD_ENDPOINT_ID", ","),
        ("RUNPOD_ENDPOINT_ID", "abc/../def"),
        ("RUNPOD_ENDPOINT_BASE_URL", "api.runpod.ai"),
        ("MAX_IN_FLIGHT", "0"),
        ("JOB_MAX_S", "4"),
        ("JOB_MAX_S", "-1"),
        ("JOB_MAX_S", "604801"),
        ("SANDBOX_PORT", "8189"),
        ("SANDBOX_WORKERS", "0"),
        ("SANDBOX_COLD_START_S", "-1"),
        ("SANDBOX_COLD_START_S", "inf"),
    ],
)
def test_a_wrong_value_is_one_line_that_begins_with_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (line,) = complaints(monkeypatch, **{name: value})

    assert line.startswith(f"{name}={value}: ")
    assert "\n" not in line


def test_every_wrong_value_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = complaints(monkeypatch, PROXY_PORT="abc", MAX_IN_FLIGHT="none", COMFYUI_URL="x")

    assert sorted(line.split("=")[0] for line in lines) == ["COMFYUI_URL", "MAX_IN_FLIGHT", "PROXY_PORT"]


def test_a_key_without_an_endpoint_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = complaints(monkeypatch, RUNPOD_API_KEY="rpa_secret")

    assert line.startswith("RUNPOD_ENDPOINT_ID: ")
    assert "rpa_secret" not in line


def test_an_endpoint_without_a_key_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = complaints(monkeypatch, RUNPOD_ENDPOINT_ID="abc123")

    assert line.startswith("RUNPOD_API_KEY: ")


def test_a_broken_key_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = complaints(monkeypatch, RUNPOD_API_KEY="rpa secret", RUNPOD_ENDPOINT_ID="abc")

    assert line.startswith("RUNPOD_API_KEY: ")
    assert "secret" not in line


def test_a_key_is_not_in_the_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", " rpa_secret ")
    monkeypatch.setenv("RUNPOD_ENDPOINT_ID", "abc, def")

    settings = load_settings(None)

    assert "rpa_secret" not in repr(settings)
    assert settings.runpod_api_key is not None
    assert settings.runpod_api_key.get_secret_value() == "rpa_secret"
    assert settings.endpoint_ids == ("abc", "def")


def test_another_machine_may_be_let_in_on_purpose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_HOST", "0.0.0.0")
    monkeypatch.setenv("PROXY_ALLOW_REMOTE", "1")
    monkeypatch.setenv("PROXY_TOKEN", GOOD_TOKEN)

    assert load_settings(None).proxy_host == "0.0.0.0"


@pytest.mark.parametrize(
    "opened",
    [
        {"PROXY_HOST": "0.0.0.0", "PROXY_ALLOW_REMOTE": "1"},
        {"PROXY_ALLOW_REMOTE": "1"},
        {"PROXY_HOSTS": "box.lan"},
        {"PROXY_HOSTS": "https://box.example"},
    ],
    ids=str,
)
def test_other_machines_need_a_token(monkeypatch: pytest.MonkeyPatch, opened: dict[str, str]) -> None:
    (line,) = complaints(monkeypatch, **opened)

    assert line.startswith("PROXY_TOKEN: not set, but PROXY_")
    assert next(name for name in reversed(opened)) in line
    assert "token_urlsafe" in line


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("hunter2", "is shorter than 16 characters; python3 -c"),
        ("123456789012345", "is shorter than 16 characters"),
        ("with a blank in it", "no blanks"),
        ("mit-Umlaut-äöü-drin", "ASCII"),
    ],
)
def test_a_poor_token_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch, token: str, says: str) -> None:
    (line,) = complaints(monkeypatch, PROXY_TOKEN=token)

    assert line.startswith("PROXY_TOKEN: ")
    assert says in line
    assert token not in line


def test_a_token_is_in_no_text_and_no_program_that_we_start_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_TOKEN", f" {GOOD_TOKEN} ")
    settings = load_settings(None)

    assert settings.proxy_token is not None
    assert settings.proxy_token.get_secret_value() == GOOD_TOKEN
    assert GOOD_TOKEN not in repr(settings)
    assert GOOD_TOKEN not in str(environment_for_others())


def test_a_name_has_the_scheme_of_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_TOKEN", GOOD_TOKEN)
    assert load_settings(None).admitted_names == {}

    monkeypatch.setenv("PROXY_HOSTS", " Box.lan, https://box.example,http://my_box ,")
    assert load_settings(None).admitted_names == {"box.lan": "http", "box.example": "https", "my_box": "http"}


def test_the_environment_wins_over_the_file_and_empty_means_unset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("PROXY_PORT=9000\nMAX_IN_FLIGHT=3\nRUNPOD_API_KEY=\nDOCKER_TAG=v1\n", encoding="utf-8")
    monkeypatch.setenv("PROXY_PORT", "9001")

    settings = load_settings(env_file)

    assert (settings.proxy_port, settings.max_in_flight, settings.runpod_api_key) == (9001, 3, None)


def test_a_checkout_may_be_named_from_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ComfyUI").mkdir()
    (tmp_path / "ComfyUI" / "main.py").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COMFYUI_DIR", "~/ComfyUI")

    assert load_settings(None).comfyui_dir == tmp_path / "ComfyUI"


def test_programs_that_we_start_do_not_get_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_secret")
    monkeypatch.setenv("MODELS_DIR", "/models")

    environ = environment_for_others()

    assert "rpa_secret" not in environ.values()
    assert environ["MODELS_DIR"] == "/models"


def test_settings_do_not_change() -> None:
    settings = load_settings(None)

    with pytest.raises(ValidationError):
        settings.proxy_port = 1  # type: ignore[misc]


def test_data_lives_where_the_system_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert data_home() == tmp_path / "comfy-runpod"
    assert load_settings(None).comfy_runpod_home == tmp_path / "comfy-runpod"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.0.0.2", True), ("::1", True), ("[::1]", True), ("localhost", True), ("LOCALHOST", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("localhost.evil.org", False), ("", False)],
)  # fmt: skip
def test_loopback_is_told_from_the_rest(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_half_a_key_of_the_volume_names_the_other_half_and_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = complaints(monkeypatch, RUNPOD_S3_ACCESS_KEY="user_secret")

    assert line.startswith("RUNPOD_S3_SECRET_KEY: ")
    assert "user_secret" not in line


def test_the_volumes_api_is_that_of_its_datacenter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_DATACENTER", "eu-ro-1")

    assert load_settings(None).runpod_datacenter == "EU-RO-1"
    assert load_settings(None).volume_s3_url == "https://s3api-eu-ro-1.runpod.io"


def test_what_was_chosen_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_secret")

    assert load_settings(None, runpod_endpoint_id="abc").endpoint_ids == ("abc",)


def test_a_command_prints_the_key_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY_COMMAND", f"sh -c 'echo called >> {tmp_path}/calls; echo rpa_printed'")
    settings = load_settings(None, runpod_endpoint_id="abc")

    assert settings.runpod_api_key is not None
    assert settings.runpod_api_key.get_secret_value() == "rpa_printed"
    assert (tmp_path / "calls").read_text() == "called\n"
    assert "rpa_printed" not in repr(settings)


def test_a_key_that_is_set_wins_over_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY_COMMAND", "false")
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_set")
    settings = load_settings(None, runpod_endpoint_id="abc")

    assert settings.runpod_api_key is not None
    assert settings.runpod_api_key.get_secret_value() == "rpa_set"


def test_who_needs_no_key_does_not_run_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY_COMMAND", "false")

    assert load_settings(None, needs_key=False, runpod_endpoint_id="abc").runpod_api_key is None


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("sh -c 'echo rpa_printed; exit 1'", "ended with exit status 1; run it in a terminal to see why"),
        ("echo 'rpa printed'", "prints something other than a key"),
        ("true", "prints something other than a key"),
        ("no-such-program rpa_printed", "names a program that does not exist"),
        ("echo 'rpa_printed", "No closing quotation"),
    ],
)
def test_a_command_that_prints_no_key_is_one_line_without_what_it_printed(
    monkeypatch: pytest.MonkeyPatch, command: str, says: str
) -> None:
    lines = complaints(monkeypatch, RUNPOD_API_KEY_COMMAND=command, RUNPOD_ENDPOINT_ID="abc")

    assert lines == (f"RUNPOD_API_KEY_COMMAND: {says[:1].lower()}{says[1:]}",)


def test_a_command_without_an_endpoint_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = complaints(monkeypatch, RUNPOD_API_KEY_COMMAND="pass show runpod")

    assert line.startswith("RUNPOD_ENDPOINT_ID: not set, but RUNPOD_API_KEY_COMMAND is;")
