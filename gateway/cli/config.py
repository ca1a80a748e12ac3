"""`borderpost config`: check the file that describes a post."""

import os
from collections.abc import Iterator
from pathlib import Path

import typer

from drivers.barrier.board_settings import BoardBarrierSettings
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
    if missing_lines := list(_missing(post)):
        exit_with("\n".join(f"{config}: {line}" for line in missing_lines), os.EX_UNAVAILABLE)
    for position, device in post.devices.items():
        if isinstance(device.settings, BoardBarrierSettings):
            _check_barrier(config, str(position), device.settings)
    console.print(
        f"{config}: {post.gateway.site}/{post.gateway.name} ({post.gateway.profile}), "
        f"{len(post.devices)} device{'s' if len(post.devices) != 1 else ''}: no errors",
        markup=False,
        soft_wrap=True,
    )


def _check_barrier(config: Path, position: str, settings: BoardBarrierSettings) -> None:
    """Refuse an unsafe barrier, and print what the gateway leaves to the machine's own controller."""
    from drivers.barrier.safety.case import build_case, name_of

    case = build_case(settings)
    for fault in case.wires:
        if fault.unsafe_commands:
            exit_with(
                f'{config}: device "{position}": {name_of(settings, fault.key)}: with its wire cut, '
                f"{' and '.join(fault.unsafe_commands)} would be permitted\n"
                "    wire another contact; every fault of this barrier: borderpost barrier case "
                f"{config} {position}",
                EX_CONFIG,
            )
    lines = [f'device "{position}" leaves to the machine\'s own controller:']
    lines += [f"    - {item}" for item in case.rests_on_machine]
    lines.append(
        f"    all faults, to print and sign: borderpost barrier case {config} {position} --html FILE"
    )
    console.print("\n".join(lines), markup=False, soft_wrap=True)


def _missing(post: Post) -> Iterator[str]:
    """Yield each device without its libraries here, with the command that installs them."""
    for position, device in post.devices.items():
        for extra in missing_extras(device.driver, device.settings):
            how = how_to_install(extra.extra, extra.distribution)
            yield f'device "{position}": {extra.text}\n    {how}'


@app.callback()
def group() -> None:
    """Keep `check` as a subcommand although it is the only one."""
