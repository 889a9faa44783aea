"""The command line of the proxy: parse, build, print; the work is done elsewhere."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import sys
from typing import Any, NoReturn
from urllib.parse import quote

import click

from engine.errors import CannotStart
from engine.home import private_home
from engine.instance_lock import instance_lock
from engine.ports import wait_until_listening
from engine.settings import (
    PROJECT,
    Settings,
    SettingsError,
    environment_for_others,
    load_settings,
    readable_secret,
)
from proxy.addons.access import Access
from proxy.descriptors import raise_limit
from proxy.log_lines import write_log
from proxy.stack.plan import StackPlan, client_variables
from proxy.stack.processes import exec_command, prepare, prepare_endpoint, running
from proxy.stack.readiness import wait_until_ready

log = logging.getLogger(__name__)

_READY_TIMEOUT_S = 60.0


@click.command()
@click.option("--verbose", is_flag=True, help="Log every detail.")
@click.option("--endpoint-only", is_flag=True, help="Serve the sandbox endpoint and nothing else.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in the browser when it is ready.")
def main(*, verbose: bool, endpoint_only: bool, open_page: bool) -> None:
    """Show ComfyUI in the browser and run its prompts on RunPod.

    Settings come from the environment and .env; see README.md.
    """
    run(verbose=verbose, endpoint_only=endpoint_only, open_page=open_page)


def run(*, verbose: bool = False, endpoint_only: bool = False, open_page: bool = False, **chosen: Any) -> None:
    """Start the proxy and what it needs, and stop all of it at the end. *chosen* settings win over the environment."""
    lines = write_log(logging.DEBUG if verbose else logging.INFO)
    try:
        settings = load_settings(needs_key=not endpoint_only, **chosen)
        lines.hide(*_token_forms(settings))
        _warn_of_other_users(settings)
        if endpoint_only:
            _exec_endpoint(settings)
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(_run(settings, open_page=open_page))
    except SettingsError as error:
        _give_up(error, status=2)
    except CannotStart as error:
        _give_up(error, status=1)


def _warn_of_other_users(settings: Settings) -> None:
    """Before anything is written; raises CannotStart."""
    if problem := private_home(settings.comfy_runpod_home):
        log.warning("%s", problem)
    if name := readable_secret():
        env_file = PROJECT / ".env"
        log.warning("other users of this machine can read %s in %s; run: chmod 600 %s", name, env_file, env_file)


def _exec_endpoint(settings: Settings) -> NoReturn:
    command = asyncio.run(prepare_endpoint(settings))
    click.echo("To point a client at the sandbox endpoint:")
    for variable in client_variables(settings.sandbox_port):
        click.echo(f"  {variable}")
    exec_command(command, environment_for_others())


async def _run(settings: Settings, *, open_page: bool) -> None:
    """Everything between start and stop. A signal ends it also before the proxy has set up its own handling."""
    _end_on_sigterm()
    home = settings.comfy_runpod_home
    with instance_lock(home):
        plan = await prepare(settings)
        for line in plan.lines:
            click.echo(line)
        async with running(plan.commands, home / "logs", environment_for_others()):
            await _serve_and_announce(settings, plan, open_page=open_page)


async def _serve_and_announce(settings: Settings, plan: StackPlan, *, open_page: bool) -> None:
    # mitmproxy takes seconds to import: by now what is wrong has been said, and ComfyUI has begun to start
    from proxy.addons.master import CannotListen  # noqa: PLC0415
    from proxy.app import serve  # noqa: PLC0415

    raise_limit()
    announcement = asyncio.create_task(_announce(settings, open_page=open_page))
    try:
        await serve(settings, sandbox_endpoint_url=plan.sandbox_endpoint_url, stand_in=plan.stand_in)
    except CannotListen as error:
        raise CannotStart(f"PROXY_PORT={settings.proxy_port}: {error}") from error
    finally:
        announcement.cancel()
        _end_on_sigterm()


async def _announce(settings: Settings, *, open_page: bool) -> None:
    """Print the address once the proxy listens, and warn about what does not answer behind it."""
    host = browsable_host(settings.proxy_host)
    url = f"http://{host}:{settings.proxy_port}"
    if not await wait_until_listening(host.strip("[]"), settings.proxy_port, _READY_TIMEOUT_S):
        return
    token = settings.proxy_token.get_secret_value() if settings.proxy_token else None
    click.echo(f"ComfyUI on RunPod: {page_link(url, token, is_terminal=sys.stdout.isatty())}")
    if missing := await wait_until_ready(url, _READY_TIMEOUT_S, token):
        log.warning("not ready after %g s: %s; run scripts/doctor.py to find out why", _READY_TIMEOUT_S, missing)
    if open_page:
        # without the token: other users of this machine see the arguments of the browser
        await asyncio.to_thread(click.launch, url)


def page_link(url: str, token: str | None, *, is_terminal: bool) -> str:
    """Where to open the page. Only a terminal gets the token: other output is often kept, in a log or a journal."""
    if token is None:
        return url
    return f"{url}/?token={quote(token, safe='')}" if is_terminal else f"{url} (it asks for PROXY_TOKEN)"


def browsable_host(host: str) -> str:
    """*host* as a browser on this machine writes it.

    >>> browsable_host("0.0.0.0")
    '127.0.0.1'
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "[::1]"
    return str(address) if address.version == 4 else f"[{address}]"


def _end_on_sigterm() -> None:
    task = asyncio.current_task()
    if task and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _token_forms(settings: Settings) -> tuple[str, ...]:
    """All that stands for PROXY_TOKEN: with --verbose, mitmproxy logs the bytes of a broken request."""
    if settings.proxy_token is None:
        return ()
    token = settings.proxy_token.get_secret_value()
    return token, quote(token, safe=""), Access(token, settings.proxy_port).cookie_value


def _give_up(error: Exception, status: int) -> None:
    click.echo(str(error), err=True)
    sys.exit(status)
