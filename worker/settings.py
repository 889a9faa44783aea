"""The settings of the worker: one frozen object, and the only reader of the environment."""

import os
import sys
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from storage.objects import S3Location
from wire.addresses import origin_of
from wire.s3 import region_of

_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
_WITHHELD = ("RUNPOD_", "BUCKET_", "AWS_SECRET", "AWS_SESSION", "HF_TOKEN", "CIVITAI_TOKEN")


class WorkerSettingsError(Exception):
    """Wrong values: one line for each, beginning with the variable's name."""


class WorkerSettings(BaseSettings):
    """Upper-case names in the environment (``COMFYUI_HOME``); an empty value counts as unset."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    comfyui_home: Path = Path("/comfyui")
    """the ComfyUI checkout"""
    comfyui_port: int = Field(default=8188, ge=0, le=65535)
    """0: a free one"""
    comfyui_python: Path | None = None
    comfyui_args: str = ""
    """added to ComfyUI's command line, split as a shell does"""
    models_dir: Path = Path("/runpod-volume/comfyui/models")
    worker_stream: bool = True
    """whether events are streamed while the prompt runs, or the result returned at its end"""
    worker_data_dir: Path | None = None
    """what holds ComfyUI's input, output, temp and user folders; the checkout unless set"""

    comfyui_user: str | None = None
    """the user that ComfyUI runs as when the worker is root: its custom nodes are other people's programs"""
    comfyui_hang_s: float = Field(default=60, gt=0)
    """seconds without an answer, after which a ComfyUI that was ready is ended and started again"""
    worker_drain_s: float = Field(default=300, ge=0)
    """seconds that a running job still gets when the worker is told to stop"""

    output_max_age_s: float = Field(default=86_400, gt=0)
    """seconds after which results go; for half as long they surely stay"""
    output_max_bytes: int = Field(default=10 * 1024**3, ge=0)
    """bytes of all results that stay; once there are more, the oldest go until half is left"""
    models_manifest: str | None = None
    """models that must be there: YAML or JSON, or the path of a file with it; also MODELS_DIR/models.yaml"""
    hf_token: SecretStr | None = None
    """for gated models of Hugging Face"""
    civitai_token: SecretStr | None = None
    """for models that Civitai gives only to its members"""
    downloads_allow_private: bool = False
    """lets models come over plain http and from private addresses"""
    bucket_endpoint_url: str | None = None
    """the S3 server; Amazon's unless set"""
    bucket_access_key_id: str | None = None
    bucket_secret_access_key: SecretStr | None = None
    bucket_name: str | None = None
    """where large outputs are left for the proxy"""
    volume_dir: Path = Path("/runpod-volume")
    """where the endpoint's network volume is, if it has one"""
    input_cache_max_bytes: int = Field(default=4 * 1024**3, ge=0)
    """bytes of input files that are kept so that they need not be sent again"""

    @field_validator("bucket_endpoint_url")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None:
            origin_of(value)
        return value

    @property
    def bucket(self) -> S3Location | None:
        """None unless both keys are set; its name is empty when it is only read from, by addresses with a name."""
        key, secret, url = self.bucket_access_key_id, self.bucket_secret_access_key, self.bucket_endpoint_url or ""
        if key is None or secret is None:
            return None
        return S3Location(url, self.bucket_name or "", region_of(url), SecretStr(key), secret)

    def tokens(self) -> dict[str, str]:
        """By the host's short name."""
        known = {"hf": self.hf_token, "civitai": self.civitai_token}
        return {name: token.get_secret_value() for name, token in known.items() if token is not None}

    @property
    def volume(self) -> Path | None:
        return self.volume_dir if self.volume_dir.is_dir() else None

    @property
    def data_dir(self) -> Path:
        return self.worker_data_dir or self.comfyui_home

    @property
    def python(self) -> Path:
        """The interpreter for ComfyUI: the chosen one, else the checkout's own, else the worker's."""
        own = self.comfyui_home / ".venv" / "bin" / "python"
        return self.comfyui_python or (own if own.exists() else Path(sys.executable))


def read_settings() -> WorkerSettings:
    """The settings; raises SettingsError when the environment holds wrong values."""
    try:
        return WorkerSettings()
    except ValidationError as error:
        lines = [f"{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()]
        raise WorkerSettingsError("\n".join(lines)) from error


def environment_for_comfyui(user: str | None = None) -> dict[str, str]:
    """Ours without the platform's keys, which custom nodes could read; *user* is the user that ComfyUI runs as."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_WITHHELD)}
    kept.setdefault("PYTHONHASHSEED", "0")  # choices that a node makes of a set are the same on each worker
    return kept if user is None else kept | {"HOME": str(Path(f"~{user}").expanduser()), "USER": user}


def secrets() -> frozenset[str]:
    """Values of the environment that must not appear in a log or a report."""
    return frozenset(value for name, value in os.environ.items() if any(word in name.upper() for word in _SECRET_NAMES))
