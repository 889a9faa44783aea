"""The settings of proxy and commands: one frozen object, and the only reader of the environment.

A name in upper case (``PROXY_PORT``) is read from the environment, else from ``.env`` in the project root. An empty
value counts as unset. All wrong values are reported together, one line for each variable, without secrets.
"""

import ipaddress
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from engine.key_command import CommandFailed, command_words, secret_printed_by
from engine.prompt.named_models import Hosts
from storage.private import is_open_to_others

PROJECT = Path(__file__).resolve().parents[1]
_SECRETS = frozenset({
    "proxy_token", "runpod_api_key", "runpod_api_key_command", "runpod_s3_access_key", "runpod_s3_secret_key",
    "bucket_access_key_id", "bucket_secret_access_key",
})  # fmt: skip

_WEEK_S = 7 * 86_400
_TOKEN_MIN = 16
"""characters; the tokens of secrets.token_urlsafe() have 43"""
_MAKE_A_TOKEN = "python3 -c 'import secrets; print(secrets.token_urlsafe())' prints a good one"  # noqa: S105
_BOTH_OR_NEITHER = "set both to use RunPod, or neither to use the sandbox"


class SettingsError(Exception):
    """Wrong values; ``lines`` holds one sentence for each, beginning with the variable's name."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def data_home() -> Path:
    """The folder in which this user's programs keep their data, with ours in it: ``~/.local/share/comfy-runpod``."""
    return platformdirs.user_data_path("comfy-runpod", appauthor=False)


def is_loopback(host: str) -> bool:
    """Whether *host* can only be reached from this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _web_address(url: str) -> str:
    """*url* without its trailing slash; it needs a scheme and a host."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("needs the form http://host:port")
    if parts.port == 0 or parts.username or parts.query or parts.fragment:
        raise ValueError("may have only a scheme, a host, a port and a path")
    return url.strip().rstrip("/")


def _origin(url: str) -> str:
    if urlsplit(url).path:
        raise ValueError("must not have a path: ComfyUI's pages work only at /")
    return url


def _listening_host(host: str) -> str:
    if is_loopback(host):
        return host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ValueError("needs an address of this machine, such as 127.0.0.1") from None
    return host


def _checkout(path: Path) -> Path:
    folder = path.expanduser().absolute()
    if not (folder / "main.py").is_file():
        raise ValueError("is not a ComfyUI: it has no main.py")
    return folder


def _program(path: Path) -> Path:
    found = shutil.which(path.expanduser())
    if found is None:
        raise ValueError("is not a program that can be started")
    return Path(found).absolute()


def _endpoint_ids(text: str) -> str:
    ids = [part.strip() for part in text.split(",") if part.strip()]
    if not ids or not all(re.fullmatch(r"[A-Za-z0-9_-]+", part) for part in ids):
        raise ValueError("needs the id of an endpoint, or several separated by commas")
    return ",".join(ids)


def _header_safe(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", key.get_secret_value()):
        raise ValueError("has a character that RunPod keys do not have; copy it again")
    return key


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]*", token.get_secret_value()):
        raise ValueError("may have only letters, digits and signs of ASCII, and no blanks")
    if len(token.get_secret_value()) < _TOKEN_MIN:
        raise ValueError(f"is shorter than {_TOKEN_MIN} characters; {_MAKE_A_TOKEN}")
    return token


def _host_names(text: str) -> str:
    """*text* in lower case, without blanks. A name may have its page's scheme before it, and nothing after it."""
    names = [part.strip().lower() for part in text.split(",") if part.strip()]
    if not names or not all(re.fullmatch(r"(https?://)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", name) for name in names):
        raise ValueError("needs names of hosts, without ports, separated by commas: box.lan, https://comfy.example")
    return ",".join(names)


def _model_hosts(text: str) -> str:
    Hosts(text)
    return text


def _command(command: SecretStr) -> SecretStr:
    command_words(command.get_secret_value())
    return command


def _job_limit(seconds: int) -> int:
    """Source: RunPod docs, serverless/endpoints/send-requests, ``policy``."""
    if seconds != 0 and not 5 <= seconds <= _WEEK_S:
        raise ValueError(f"must be 0, or a number of seconds from 5 to {_WEEK_S} (7 days)")
    return seconds


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _volume_id(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,}", text):
        raise ValueError("needs the id of a network volume, as RunPod's Storage page shows it")
    return text


def _datacenter(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]+(-[A-Za-z0-9]+)+", text):
        raise ValueError("needs the name of a datacenter, such as EU-RO-1")
    return text.upper()


Port = Annotated[int, Field(ge=1, le=65535)]
Token = Annotated[SecretStr, BeforeValidator(_stripped), AfterValidator(_token)]
Secret = Annotated[SecretStr, BeforeValidator(_stripped), AfterValidator(_header_safe)]
VolumeId = Annotated[str, BeforeValidator(_stripped), AfterValidator(_volume_id)]
Datacenter = Annotated[str, BeforeValidator(_stripped), AfterValidator(_datacenter)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


class Settings(BaseSettings):
    """What the person chose. The name of each variable is the name of the field in upper case."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, env_file_encoding="utf-8", hide_input_in_errors=True
    )

    proxy_host: Annotated[str, BeforeValidator(_stripped), AfterValidator(_listening_host)] = Field(
        "127.0.0.1", description="address that the proxy listens on"
    )
    proxy_port: Port = Field(8189, description="port that you open in the browser")
    proxy_allow_remote: bool = Field(
        False, description="`1` allows a `PROXY_HOST` that other machines can reach; needs `PROXY_TOKEN`"
    )
    proxy_token: Token | None = Field(
        None,
        description="secret that every page and script must show; without one, every user of this machine can run jobs",
    )
    proxy_hosts: Annotated[str, AfterValidator(_host_names)] | None = Field(
        None,
        description="host names of the proxy, such as `box.lan`, or `https://box.example` for a tunnel with TLS; "
        "needs `PROXY_TOKEN`",
    )
    comfyui_url: Annotated[WebAddress, AfterValidator(_origin)] = Field(
        "http://127.0.0.1:8188", description="address of the local ComfyUI"
    )
    comfyui_dir: Annotated[Path, AfterValidator(_checkout)] | None = Field(
        None,
        description="folder of a ComfyUI, to start when nothing answers at `COMFYUI_URL`, and for the sandbox worker",
    )
    comfyui_python: Annotated[Path, AfterValidator(_program)] | None = Field(
        None, description="Python for the ComfyUI in `COMFYUI_DIR`; default: the one in its `.venv` or `venv`"
    )
    comfyui_remote: bool = Field(
        False,
        description="`1` if ComfyUI runs in a container or behind a tunnel: its folders are not on this machine",
    )
    worker_paths: bool = Field(
        False,
        description="`1` lets texts name files of the worker: a path of your machine in a text is then not refused",
    )
    runpod_api_key: Secret | None = Field(None, description="your RunPod API key; it is sent to RunPod only")
    runpod_api_key_command: Annotated[SecretStr, AfterValidator(_command)] | None = Field(
        None,
        description="program that prints the key, such as `pass show runpod`: run once at each start, without a shell, "
        "when `RUNPOD_API_KEY` is not set",
    )
    runpod_endpoint_id: Annotated[str, AfterValidator(_endpoint_ids)] | None = Field(
        None, description="id of the serverless endpoint, or several ids separated by commas"
    )
    runpod_endpoint_base_url: WebAddress = Field(
        "https://api.runpod.ai/v2", description="address of RunPod's API (RunPod's SDK has the same variable)"
    )
    runpod_volume_id: VolumeId | None = Field(None, description="id of the endpoint's network volume")
    runpod_datacenter: Datacenter | None = Field(None, description="datacenter of that volume, such as `EU-RO-1`")
    runpod_s3_access_key: Secret | None = Field(
        None, description="RunPod S3 access key (`user_…`); this is not your API key"
    )
    runpod_s3_secret_key: Secret | None = Field(None, description="RunPod S3 secret key (`rps_…`)")
    runpod_s3_endpoint_url: WebAddress | None = Field(
        None, description="address of the volume's S3 API; default: the one of `RUNPOD_DATACENTER`"
    )
    bucket_endpoint_url: WebAddress | None = Field(
        None, description="address of an S3 server with a bucket for large files; the worker needs the same one"
    )
    bucket_access_key_id: Secret | None = Field(None, description="access key of the bucket")
    bucket_secret_access_key: Secret | None = Field(None, description="secret key of the bucket")
    bucket_name: str | None = Field(None, description="name of the bucket")
    comfy_runpod_home: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default_factory=data_home,
        description="folder for the job database, caches and logs; only you can enter it",
    )
    max_in_flight: int = Field(
        10,
        ge=1,
        le=1000,
        description="how many jobs may be at RunPod at once; the others wait in the proxy, where they cost nothing",
    )
    job_max_s: Annotated[int, AfterValidator(_job_limit)] = Field(
        0,
        description="after how many seconds of a worker's time RunPod stops a job; 0: the endpoint's execution timeout",
    )
    runpod_price_per_hour: float = Field(
        0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="price of the endpoint's GPU in dollars an hour, for estimates; 0: not known",
    )
    comfy_org_tokens: bool = Field(
        False,
        description="`1` hands the token of your Comfy account to jobs with partner (API) nodes, which are refused "
        "otherwise",
    )
    model_hosts: Annotated[str, AfterValidator(_model_hosts)] | None = Field(
        None,
        description="more hosts from which workers may fetch the models that a workflow names, besides huggingface.co "
        "and civitai.com",
    )
    sandbox_port: Port = Field(8190, description="port of the sandbox endpoint")
    sandbox_workers: int = Field(1, ge=1, le=64, description="number of workers of the sandbox endpoint")
    sandbox_cold_start_s: float = Field(
        0, ge=0, le=3600, allow_inf_nan=False, description="seconds that a sandbox worker takes to start"
    )

    @property
    def endpoint_ids(self) -> tuple[str, ...]:
        """The ids in ``RUNPOD_ENDPOINT_ID``; empty when it is not set."""
        return tuple(self.runpod_endpoint_id.split(",")) if self.runpod_endpoint_id else ()

    @property
    def admitted_names(self) -> dict[str, str]:
        """The names in ``PROXY_HOSTS``, each with the scheme of its page: http where none is given."""
        split = [name.rpartition("://") for name in (self.proxy_hosts or "").split(",") if name]
        return {name: scheme or "http" for scheme, _, name in split}

    @property
    def volume_s3_url(self) -> str | None:
        """Where the S3 API of the network volume is; None when nothing tells. Source: RunPod docs, storage/s3-api."""
        if self.runpod_s3_endpoint_url or not self.runpod_datacenter:
            return self.runpod_s3_endpoint_url
        return f"https://s3api-{self.runpod_datacenter.lower()}.runpod.io"

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if lines := tuple(self._disagreements()):
            raise SettingsError(lines)
        return self

    def _disagreements(self) -> Iterator[str]:
        if not is_loopback(self.proxy_host) and not self.proxy_allow_remote:
            yield (
                f"PROXY_HOST={self.proxy_host}: other machines could spend your money through this address; "
                "set PROXY_ALLOW_REMOTE=1 and PROXY_TOKEN if you want that"
            )
        elif self.proxy_token is None and (opened := self._opened_by()):
            yield f"PROXY_TOKEN: not set, but {opened} lets other machines spend your money; {_MAKE_A_TOKEN}"
        key = (
            "RUNPOD_API_KEY" if self.runpod_api_key else "RUNPOD_API_KEY_COMMAND" if self.runpod_api_key_command else ""
        )
        if key and not self.runpod_endpoint_id:
            yield f"RUNPOD_ENDPOINT_ID: not set, but {key} is; {_BOTH_OR_NEITHER}"
        if self.runpod_endpoint_id and not key:
            yield f"RUNPOD_API_KEY: not set, but RUNPOD_ENDPOINT_ID is; {_BOTH_OR_NEITHER}"
        yield from self._half_keys("runpod_s3_access_key", "runpod_s3_secret_key")
        yield from self._half_keys("bucket_access_key_id", "bucket_secret_access_key")
        comfyui = urlsplit(self.comfyui_url)
        if is_loopback(comfyui.hostname or "") and comfyui.port == self.proxy_port:
            yield f"COMFYUI_URL={self.comfyui_url}: is the proxy's own address; change it or PROXY_PORT"
        if self.sandbox_port == self.proxy_port:
            yield f"SANDBOX_PORT={self.sandbox_port}: is the proxy's own port; change it or PROXY_PORT"

    def _opened_by(self) -> str:
        """The settings by which other machines reach the proxy; empty when only this one does."""
        return "PROXY_ALLOW_REMOTE=1" if self.proxy_allow_remote else "PROXY_HOSTS" if self.proxy_hosts else ""

    def _half_keys(self, *names: str) -> Iterator[str]:
        missing = [name.upper() for name in names if getattr(self, name) is None]
        if len(missing) == 1:
            given = next(name.upper() for name in names if name.upper() not in missing)
            yield f"{missing[0]}: not set, but {given} is; set both"


def load_settings(env_file: Path | None = PROJECT / ".env", *, needs_key: bool = True, **chosen: Any) -> Settings:
    """The settings: *chosen* ones first, then the environment, then *env_file*. Who *needs_key* has it afterwards, also
    when a command prints it, which may ask the person for a password.

    Raises SettingsError when a value is wrong.
    """
    try:
        settings = Settings(_env_file=env_file, **{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        raise SettingsError(tuple(_line(details) for details in error.errors())) from None
    if not needs_key or settings.runpod_api_key or not settings.runpod_api_key_command:
        return settings
    return settings.model_copy(update={"runpod_api_key": printed_key(settings.runpod_api_key_command)})


def printed_key(command: SecretStr) -> SecretStr:
    """The key that *command* (RUNPOD_API_KEY_COMMAND) prints. It gets none of our secrets. Raises SettingsError."""
    try:
        return _header_safe(SecretStr(secret_printed_by(command.get_secret_value(), environment_for_others())))
    except CommandFailed as error:
        raise SettingsError((f"RUNPOD_API_KEY_COMMAND: {error}",)) from None
    except ValueError:
        raise SettingsError(("RUNPOD_API_KEY_COMMAND: prints something other than a key",)) from None


def readable_secret(env_file: Path = PROJECT / ".env") -> str | None:
    """The name of a secret in *env_file* that other users of this machine can read, if any."""
    if not env_file.is_file() or not is_open_to_others(env_file):
        return None
    values = DotEnvSettingsSource(Settings, env_file=env_file, env_file_encoding="utf-8").env_vars
    secrets = _SECRETS - {"runpod_api_key_command"}  # without what it unlocks it is of no use
    return next((name.upper() for name, value in values.items() if value and name.lower() in secrets), None)


def environment_for_others() -> dict[str, str]:
    """The environment for the programs that we start: ours without the secrets, which never leave this process."""
    withheld = {name.upper() for name in _SECRETS}
    return {name: value for name, value in os.environ.items() if name.upper() not in withheld}


def _line(details: ErrorDetails) -> str:
    """One sentence: the variable, its value unless secret, and what is wrong with it."""
    field = str(details["loc"][0])
    wrong: Any = details.get("ctx", {}).get("error") or details["msg"]
    shown = "" if field in _SECRETS else f"={details['input']}"
    return f"{field.upper()}{shown}: {str(wrong)[:1].lower()}{str(wrong)[1:]}"
