"""`borderpost udev`: write rules that give the gateway access to its devices, and exclude other services."""

import os
import subprocess
from typing import Annotated

import typer

from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import DEFAULT_CONFIG, ConfigFile, console, exit_with
from gateway.common.atomic_file import write_whole
from gateway.diagnostics.udev_rules import (
    LATE_RULES_FILE,
    POST_RULES_FILE,
    driver_rules,
    late_post_rules,
    post_rules,
)

KINDS = ("usb", "tty", "input", "hidraw", "video4linux", "gpio")


def udev(
    config: ConfigFile = DEFAULT_CONFIG,
    install: Annotated[
        bool,
        typer.Option("--install", help=f"Write {POST_RULES_FILE} and {LATE_RULES_FILE}, and apply them."),
    ] = False,
    drivers: Annotated[
        bool,
        typer.Option(
            "--drivers", help="Print the rules for all supported devices instead, which the package installs."
        ),
    ] = False,
) -> None:
    """Print the udev rules that a post's devices need: permissions, names, exclusion of other programs.

    With installed rules each device has a link with its position, as in /dev/borderpost/lane-1/reader.
    """
    if drivers:
        print(driver_rules(), end="")  # noqa: T201 - no line may be broken
        return
    devices = load_or_fail(config).devices
    files = {POST_RULES_FILE: post_rules(devices), LATE_RULES_FILE: late_post_rules(devices)}
    if not install:
        for file, rules in files.items():
            print(f"# {file}\n{rules}", end="")  # noqa: T201
        return
    for file, rules in files.items():
        try:
            write_whole(file, rules.encode(), 0o644)
        except OSError as error:
            exit_with(f"{file} cannot be written: {error.strerror}\n    run this with sudo", os.EX_NOPERM)
    trigger = ["udevadm", "trigger", "--settle", *(f"--subsystem-match={kind}" for kind in KINDS)]
    for command in (["udevadm", "control", "--reload"], trigger):
        try:
            subprocess.run(command, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            exit_with(
                f"the rules are written to {POST_RULES_FILE.parent}, but could not be applied: {error}",
                os.EX_UNAVAILABLE,
            )
    console.print(
        f"{POST_RULES_FILE}, {LATE_RULES_FILE}: written and applied; ls -lR /dev/borderpost",
        markup=False,
        soft_wrap=True,
    )
