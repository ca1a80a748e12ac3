"""The one file that describes a post: read, checked as a whole, compared with an older one.

What is wrong with a file is said all at once, by line, key and remedy (`ConfigError`). A correct file costs
the standard library's parser and the models; everything that explains mistakes is imported only for one.
"""

from gateway.config.diff import Changes, changed
from gateway.config.errors import ConfigError, Finding
from gateway.config.loader import load
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
