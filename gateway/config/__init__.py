"""The one file that describes a post: read, checked as a whole, compared with an older one.

What is wrong with a file is said all at once, by line, key and remedy (`ConfigError`). A correct file costs
the standard library's parser and the models; everything that explains mistakes is imported only for one.
"""

from gateway.config.changes import Changes, changed
from gateway.config.findings import ConfigError, Finding
from gateway.config.model import (
    Broker,
    Commands,
    Console,
    Delivery,
    Destination,
    DeviceSettings,
    GatewayName,
    Headquarters,
    Log,
    Post,
    Profile,
    Supervision,
    Tls,
    Vault,
)
from gateway.config.roles import Grant, Roles
from gateway.config.source import load

__all__ = [
    "Broker",
    "Changes",
    "Commands",
    "ConfigError",
    "Console",
    "Delivery",
    "Destination",
    "DeviceSettings",
    "Finding",
    "GatewayName",
    "Grant",
    "Headquarters",
    "Log",
    "Post",
    "Profile",
    "Roles",
    "Supervision",
    "Tls",
    "Vault",
    "changed",
    "load",
]
