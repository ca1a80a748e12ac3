"""`borderpost config`: look at the file that describes a post."""

import typer

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, exit_with
from gateway.config.model import UNCONFIGURED_SITE
from gateway.state_dir import EX_CONFIG

app = typer.Typer(help="Look at the file that describes a post.", no_args_is_help=True)


@app.command()
def check(config: ConfigFile = DEFAULT_CONFIG) -> None:
    """Say everything that is wrong with a file, each with line, key and remedy, or that nothing is."""
    post = load_or_fail(config)
    if not post.gateway.is_named:
        exit_with(
            f"{config}: gateway.site: {UNCONFIGURED_SITE} names no post, so no device is started\n"
            '    write the site this post belongs to, as in site = "ke-busia", and describe its devices',
            EX_CONFIG,
        )
    console.print(
        f"{config}: {post.gateway.site}/{post.gateway.name} ({post.gateway.profile}), "
        f"{len(post.devices)} device{'s' if len(post.devices) != 1 else ''}: nothing wrong",
        markup=False,
        soft_wrap=True,
    )


@app.callback()
def group() -> None:
    """Keep `check` a command of its own."""
