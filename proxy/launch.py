"""The command line of scripts/launch_comfy_with_api.py: the proxy, a ComfyUI behind it, the page in the browser."""

from pathlib import Path

import click

from proxy.cli import run


@click.command(context_settings={"max_content_width": 120})
@click.argument("comfyui_dir", type=click.Path(path_type=Path), required=False)
@click.option("--no-open", is_flag=True, help="Do not open the page in the browser.")
@click.option("--verbose", is_flag=True, help="Log every detail.")
def main(*, comfyui_dir: Path | None, no_open: bool, verbose: bool) -> None:
    """Start the ComfyUI in COMFYUI_DIR, start the proxy in front of it, and open the page in the browser.

    A ComfyUI that is already running is used. Without COMFYUI_DIR the one in docker/ComfyUI or the sandbox's is
    started, as by 'make proxy'. Ctrl-C stops everything that was started.
    """
    run(verbose=verbose, open_page=not no_open, comfyui_dir=comfyui_dir)
