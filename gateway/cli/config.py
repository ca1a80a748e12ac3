"""`borderpost config`: check the file that describes a post."""

import typer

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, exit_with
from gateway.config.model import UNCONFIGURED_SITE
from gateway.state_dir import EX_CONFIG

app = typer.Typer(help="Check the file that describes a post.", no_args_is_help=True)


@app.command()
def check(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """List every error in a post's file with line, key and remedy."""
    post = load_or_fail(config)
    if not post.gateway.is_named:
        exit_with(
            f"{config}: gateway.site: {UNCONFIGURED_SITE} is a placeholder, so no device is started\n"
            '    write the site this post belongs to, as in site = "ke-busia", and describe its devices',
            EX_CONFIG,
        )
    console.print(
        f"{config}: {post.gateway.site}/{post.gateway.name} ({post.gateway.profile}), "
        f"{len(post.devices)} device{'s' if len(post.devices) != 1 else ''}: no errors",
        markup=False,
        soft_wrap=True,
    )


@app.callback()
def group() -> None:
    """Keep `check` as a subcommand although it is the only one."""
