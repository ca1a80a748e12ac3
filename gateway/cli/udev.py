"""`borderpost udev`: let the gateway open its devices, by name, and nobody else try them."""

import os
import subprocess
from typing import Annotated

import typer

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, exit_with
from gateway.common.atomic_file import write_whole
from gateway.diagnostics.udev_rules import POST_RULES_FILE, driver_rules, post_rules

KINDS = ("usb", "tty", "input", "video4linux", "gpio")


def udev(
    config: ConfigFile = DEFAULT_CONFIG,
    install: Annotated[
        bool, typer.Option("--install", help=f"Write {POST_RULES_FILE} and apply it.")
    ] = False,
    drivers: Annotated[
        bool, typer.Option("--drivers", help="Those of every post instead, which the package brings.")
    ] = False,
) -> None:
    """Print the rules for udev that a post's devices need: permissions, names, and no ModemManager.

    Once they are installed, each device has its position as a name, as /dev/borderpost/lane-1/reader.
    """
    if drivers:
        print(driver_rules(), end="")  # noqa: T201 - no line may be broken
        return
    rules = post_rules(load_or_fail(config).devices)
    if not install:
        print(rules, end="")  # noqa: T201
        return
    try:
        write_whole(POST_RULES_FILE, rules.encode(), 0o644)
    except OSError as error:
        exit_with(
            f"{POST_RULES_FILE} cannot be written: {error.strerror}\n    run this with sudo", os.EX_NOPERM
        )
    trigger = ["udevadm", "trigger", "--settle", *(f"--subsystem-match={kind}" for kind in KINDS)]
    for command in (["udevadm", "control", "--reload"], trigger):
        try:
            subprocess.run(command, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            exit_with(
                f"the rules are written to {POST_RULES_FILE}, but not applied: {error}", os.EX_UNAVAILABLE
            )
    console.print(
        f"{POST_RULES_FILE}: written and applied; ls -lR /dev/borderpost", markup=False, soft_wrap=True
    )
