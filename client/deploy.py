"""Creates or updates RunPod's template and serverless endpoint for the worker's image."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from client.image_catalog import hand_over
from client.rest_api import ApiRefused, ApiUnavailable, Body, RestApi
from engine.settings import PROJECT, SettingsError, data_home, printed_key

_API = "https://api.runpod.io/v2"
_MIN_CUDA = "12.8"
"""of the wheels in docker/constraints.txt"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChoices:
    """What the person chose for template and endpoint; the names are those of the command's options."""

    name: str
    image: str
    env: Mapping[str, str]
    gpu_pool: tuple[str, ...]
    min_workers: int
    max_workers: int
    idle_timeout: int
    """seconds"""
    queue_delay: float
    """seconds"""
    timeout: int
    """seconds"""
    disk: int
    """GB"""
    flashboot: str
    volume: str | None
    datacenter: str | None
    registry: str | None


@click.command()
@click.option("--name", default="comfy-runpod", show_default=True, help="Of the template and the endpoint.")
@click.option("--image", help="Default: the image of scripts/build.sh.")
@click.option("--gpu-pool", multiple=True, default=("ADA_24",), show_default=True, help="May be repeated.")
@click.option("--min-workers", default=0, show_default=True, help="Workers that always run, and always cost.")
@click.option("--max-workers", default=3, show_default=True)
@click.option("--idle-timeout", default=10, show_default=True, help="Paid seconds for which a worker waits for more.")
@click.option("--queue-delay", default=4.0, show_default=True, help="Seconds in the queue before another worker comes.")
@click.option("--timeout", default=1800, show_default=True, help="Seconds that a job may take.")
@click.option("--disk", default=20, show_default=True, help="GB of the container's own disk.")
@click.option("--flashboot", default="FLASHBOOT", show_default=True, help="Or OFF, or PRIORITY_FLASHBOOT.")
@click.option("--volume", envvar="RUNPOD_VOLUME_ID", help="Network volume with the models.")
@click.option("--datacenter", envvar="RUNPOD_DATACENTER", help="Must be the volume's.")
@click.option("--registry", help="Id of RunPod's credentials for a private registry.")
@click.option("--env", multiple=True, help="NAME=value, or NAME to pass on its value here. May be repeated.")
@click.option("--dry-run", is_flag=True, help="Print the requests; values of variables are hidden.")
@click.pass_obj
def main(
    environ: Mapping[str, str], /, *, image: str | None, env: tuple[str, ...], dry_run: bool, **options: Any
) -> None:
    """Create or update RunPod's template and serverless endpoint for the worker's image.

    Running it again changes nothing. It speaks RunPod's REST API v2 (https://docs.runpod.io/api-reference-v2) with
    RUNPOD_API_KEY of the environment or .env.
    """
    key = "" if dry_run else _key(environ)
    api = RestApi(environ.get("RUNPOD_REST_BASE_URL") or _API, key, click.echo, dry_run=dry_run)
    chosen = EndpointChoices(image=image or default_image(), env=variables(env, environ), **options)
    try:
        template = api.ensure("templates", template_body(chosen))
        endpoint = api.ensure("serverless", endpoint_body(chosen))
    except (ApiRefused, ApiUnavailable) as error:
        raise click.ClickException(str(error)) from error
    if not dry_run:
        click.echo(f"template {template['id']}")
        click.echo(hand_over(chosen.image, str(endpoint["id"]), _home(environ)))
        click.echo(f"RUNPOD_ENDPOINT_ID={endpoint['id']}")


def _home(environ: Mapping[str, str]) -> Path:
    chosen = environ.get("COMFY_RUNPOD_HOME")
    return Path(chosen).expanduser().absolute() if chosen else data_home()


def _key(environ: Mapping[str, str]) -> str:
    key, command = environ.get("RUNPOD_API_KEY"), environ.get("RUNPOD_API_KEY_COMMAND")
    if not key and not command:
        raise click.ClickException("set RUNPOD_API_KEY to a key that may write (runpod.io, Settings, API keys)")
    try:
        return key or printed_key(SecretStr(command or "")).get_secret_value()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def variables(given: tuple[str, ...], environ: Mapping[str, str]) -> dict[str, str]:
    """``NAME=value``, or ``NAME`` for its value in *environ*. Raises click's ClickException when it has none."""
    found = dict[str, str]()
    for item in given:
        name, has_value, value = item.partition("=")
        if not has_value and name not in environ:
            raise click.ClickException(f"--env {name}: this variable is not set here")
        found[name] = value if has_value else environ[name]
    return found


def default_image() -> str:
    """The name that scripts/build.sh would give the image."""
    printed = asyncio.run(_output_of(PROJECT / "scripts" / "build.sh", "--dry-run")).split()
    return printed[printed.index("--tag") + 1]


async def _output_of(program: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, problem = await process.communicate()
    if process.returncode:
        raise click.ClickException(f"{program.name}: {problem.decode(errors='replace').strip()}")
    return output.decode()


def template_body(chosen: EndpointChoices) -> Body:
    """The template, without the SSH and Jupyter that templates get unless told otherwise."""
    plain = {"serverless": True, "public": False, "startSsh": False, "startJupyter": False}
    return {"name": chosen.name, **plain, **_container(chosen)}


def endpoint_body(chosen: EndpointChoices) -> Body:
    """The endpoint, with the container's settings once more: later changes of a template do not reach an endpoint."""
    body = {
        "name": chosen.name,
        "type": "QUEUE",
        **_container(chosen),
        "gpu": {"pools": list(chosen.gpu_pool), "count": 1, "minCudaVersion": _MIN_CUDA},
        "workers": {"min": chosen.min_workers, "max": chosen.max_workers, "idleTimeout": chosen.idle_timeout},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": chosen.queue_delay},
        "flashboot": chosen.flashboot,
        "timeout": chosen.timeout * 1000,
        "networkVolumes": [chosen.volume] if chosen.volume else [],
    }
    return body | ({"dataCenterIds": [chosen.datacenter]} if chosen.datacenter else {})


def _container(chosen: EndpointChoices) -> Body:
    settings: Body = {"image": chosen.image, "disk": chosen.disk, "env": dict(chosen.env)}
    return settings | ({"registry": chosen.registry} if chosen.registry else {})
