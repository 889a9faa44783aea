"""The command line of scripts/deploy.py: template and serverless endpoint for the worker's image."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr

from client.deployment import DEFAULTS, FLASHBOOT, Body, ChoiceRefused, EndpointChoices
from client.gpu_catalog import GpuPools, GpusUnreadable, read_pools, unknown_pool
from client.image_catalog import hand_over
from client.pushed_image import NoImage, is_image, pushed_image
from client.rest_api import ApiRefused, ApiUnavailable, RestApi
from client.rollout import LossRefused, Rollout
from engine.settings import PROJECT, SettingsError, data_home, printed_key

_API = "https://api.runpod.io/v2"
_PUSHED = PROJECT / "docker" / "pushed-image"
_WEEK_S = 7 * 24 * 3600
"""RunPod docs, endpoint-configurations: an execution timeout is between 5 seconds and 7 days"""
_REFUSALS = (ApiRefused, ApiUnavailable, ChoiceRefused, LossRefused, NoImage)


def _help(text: str, option: str) -> str:
    """*text* with what a new endpoint gets when the option is not given."""
    default = getattr(DEFAULTS, option)
    return f"{text} [{', '.join(default) if isinstance(default, tuple) else default}]"


@click.command(context_settings={"max_content_width": 120})
@click.option("--name", default="comfy-runpod", help="Of the template and the endpoint. [comfy-runpod]")
@click.option("--image", help="Worker's image. [the one that was pushed from here last]")
@click.option("--gpu-pool", multiple=True, help=_help("Pool of GPUs; may be repeated.", "gpu_pool"))
@click.option(
    "--min-workers", type=click.IntRange(0), help=_help("Workers that always run, and always cost.", "min_workers")
)
@click.option("--max-workers", type=click.IntRange(1), help=_help("Workers that run at most.", "max_workers"))
@click.option(
    "--idle-timeout",
    type=click.IntRange(1, 3600),
    help=_help("Paid seconds for which a worker waits for another job.", "idle_timeout"),
)
@click.option(
    "--queue-delay",
    type=click.FloatRange(0.5),
    help=_help("Seconds in the queue before another worker comes.", "queue_delay"),
)
@click.option("--timeout", type=click.IntRange(5, _WEEK_S), help=_help("Seconds that a job may take.", "timeout"))
@click.option("--disk", type=click.IntRange(1), help=_help("GB of the container's own disk.", "disk"))
@click.option("--flashboot", type=click.Choice(FLASHBOOT), help=_help("Faster starts.", "flashboot"))
@click.option("--volume", help="Network volume with the models; '' for none. [RUNPOD_VOLUME_ID]")
@click.option("--datacenter", help="Must be the volume's; '' for any. [RUNPOD_DATACENTER]")
@click.option("--registry", help="Id of RunPod's credentials for a private registry.")
@click.option("--env", multiple=True, help="NAME=value, or NAME to pass on its value here; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask before something is taken away.")
@click.option("--dry-run", is_flag=True, help="Only show what would change; values of variables are hidden.")
@click.pass_obj
def main(
    environ: Mapping[str, str], /, *, name: str, env: tuple[str, ...], yes: bool, dry_run: bool, **options: Any
) -> None:
    """Create or update RunPod's template and serverless endpoint for the worker's image.

    A new endpoint gets the values in brackets. Of an endpoint that exists, only what you name is changed; when you name
    nothing, its image becomes the one that was pushed from here last. RUNPOD_API_KEY comes from the environment or
    .env. Source: RunPod's REST API v2, https://docs.runpod.io/api-reference-v2
    """
    key = _key(environ, needed=not dry_run)
    api = RestApi(environ.get("RUNPOD_REST_BASE_URL") or _API, key)
    try:
        named = EndpointChoices(env=variables(env, environ), **options)
        template, endpoint = (api.find(kind, name) if key else None for kind in ("templates", "serverless"))
        pools = _pools(api) if key else {}
        chosen = completed(named, endpoint, environ)
        if pools and (problem := unknown_pool(chosen.gpu_pool, pools)):
            raise ChoiceRefused(f"--gpu-pool: {problem}")
        home = _home(environ)
        rollout = Rollout(
            *(api, pools, click.echo, lambda: yes or _agreed(), dry_run),
            lambda image, endpoint_id: click.echo(hand_over(image, endpoint_id, home)),
        )
        if endpoint is None:
            rollout.create(name, chosen, template)
        else:
            _say_unnamed(named, endpoint, environ)
            rollout.update(chosen, template, endpoint)
    except _REFUSALS as error:
        raise click.ClickException(str(error)) from error


def _home(environ: Mapping[str, str]) -> Path:
    chosen = environ.get("COMFY_RUNPOD_HOME")
    return Path(chosen).expanduser().absolute() if chosen else data_home()


def _key(environ: Mapping[str, str], *, needed: bool) -> str:
    key, command = environ.get("RUNPOD_API_KEY"), environ.get("RUNPOD_API_KEY_COMMAND")
    if not key and not command:
        if needed:
            raise click.ClickException("set RUNPOD_API_KEY to a key that may write (runpod.io, Settings, API keys)")
        click.echo("# RUNPOD_API_KEY is not set, so RunPod is not asked: this is what a new endpoint would get")
        return ""
    try:
        return key or printed_key(SecretStr(command or "")).get_secret_value()
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def variables(given: tuple[str, ...], environ: Mapping[str, str]) -> dict[str, str]:
    """``NAME=value``, or ``NAME`` for its value in *environ*. Raises ChoiceRefused when it has none."""
    found = dict[str, str]()
    for item in given:
        name, has_value, value = item.partition("=")
        if not has_value and name not in environ:
            raise ChoiceRefused(f"--env {name}: this variable is not set here")
        found[name] = value if has_value else environ[name]
    return found


def _pools(api: RestApi) -> GpuPools:
    """The GPUs and their prices. A key that may not read them can deploy all the same: RunPod judges the pool too."""
    try:
        return read_pools(api.gpus())
    except (ApiRefused, GpusUnreadable) as error:
        click.echo(f"RunPod's list of GPUs cannot be read, so pools and prices are not checked: {error}", err=True)
        return {}


def completed(named: EndpointChoices, endpoint: Body | None, environ: Mapping[str, str]) -> EndpointChoices:
    """*named*, for a new endpoint with all defaults; for one that exists with an image when nothing was named.

    Raises ChoiceRefused and NoImage.
    """
    if named.image is not None and not is_image(named.image):
        raise ChoiceRefused(f"--image {named.image}: this cannot be the name of an image")
    if endpoint is not None:
        return replace(named, image=pushed_image(_PUSHED)) if named == EndpointChoices() else named
    here: dict[str, Any] = {
        "volume": environ.get("RUNPOD_VOLUME_ID", ""),
        "datacenter": environ.get("RUNPOD_DATACENTER"),
    }
    defaults = replace(DEFAULTS, **here, image=named.image or pushed_image(_PUSHED))
    values = {field.name: getattr(named, field.name) for field in fields(EndpointChoices)}
    return replace(defaults, **{name: value for name, value in values.items() if value not in (None, (), {})})


def _say_unnamed(named: EndpointChoices, endpoint: Body, environ: Mapping[str, str]) -> None:
    """What this folder knows differently from the endpoint, and what was not named: it stays as it is."""
    volume = environ.get("RUNPOD_VOLUME_ID")
    if volume and named.volume is None and volume not in (endpoint.get("networkVolumes") or ()):
        click.echo(f"RUNPOD_VOLUME_ID={volume} is not attached to this endpoint; --volume {volume} attaches it")
    if named == EndpointChoices() or named.image is not None:
        return
    try:
        pushed = pushed_image(_PUSHED)
    except NoImage:
        return
    if pushed != endpoint.get("image"):
        click.echo(f"the image stays {endpoint.get('image')}; without other options, {pushed} is deployed")


def _agreed() -> bool:
    try:
        return click.confirm("Take this away?")
    except click.Abort:  # nobody is there to answer
        click.echo()
        return False
