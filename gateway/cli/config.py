"""`borderpost config`: check the file that describes a post."""

import os
from collections.abc import Iterator

import typer

from drivers.installation import how_to_install
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, exit_with
from gateway.config import Post
from gateway.config.model import UNCONFIGURED_SITE
from gateway.diagnostics.checks.libraries import missing_extras
from gateway.state_dir import EX_CONFIG

app = typer.Typer(help="Check the file that describes a post.", no_args_is_help=True)


@app.command()
def check(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """List every error in a post's file with line, key and remedy.

    Exit codes: 78: the file cannot be used; 69: it can be used, but an extra that a device needs is not
    installed here, so the gateway starts with that device in fault.
    """
    post = load_or_fail(config)
    if not post.gateway.is_named:
        exit_with(
            f"{config}: gateway.site: {UNCONFIGURED_SITE} is a placeholder, so no device is started\n"
            '    write the site this post belongs to, as in site = "ke-busia", and describe its devices',
            EX_CONFIG,
        )
    if lacks := list(_missing(post)):
        exit_with("\n".join(f"{config}: {lack}" for lack in lacks), os.EX_UNAVAILABLE)
    console.print(
        f"{config}: {post.gateway.site}/{post.gateway.name} ({post.gateway.profile}), "
        f"{len(post.devices)} device{'s' if len(post.devices) != 1 else ''}: no errors",
        markup=False,
        soft_wrap=True,
    )


def _missing(post: Post) -> Iterator[str]:
    """Every device that cannot be served here for want of a library, with what to install."""
    for position, device in post.devices.items():
        for lack in missing_extras(device.driver, device.settings):
            how = how_to_install(lack.extra, lack.distribution)
            yield f'device "{position}": {lack.text}\n    {how}'


@app.callback()
def group() -> None:
    """Keep `check` as a subcommand although it is the only one."""
