"""Configuration of a post: load one file, check it as a whole, compare it with an older one.

All mistakes of a file are reported together, each with line, key and remedy (`ConfigError`). Loading a
correct file needs only the standard library's parser and the models; modules that explain mistakes are
imported only for a mistake.
"""

from gateway.config.diff import ConfigDiff, diff_config
from gateway.config.errors import ConfigError, ConfigIssue
from gateway.config.loader import load, load_sound_parts
from gateway.config.model import (
    BrokerSection,
    CommandsSection,
    ConsoleSection,
    CounterSection,
    DeliverySection,
    DestinationSection,
    DeviceSettings,
    EncryptionSection,
    GatewaySection,
    HeadquartersSection,
    LogSection,
    Post,
    Profile,
    SupervisionSection,
    TlsSection,
)
from gateway.config.roles import Grant, Roles

__all__ = [
    "BrokerSection",
    "CommandsSection",
    "ConfigDiff",
    "ConfigError",
    "ConfigIssue",
    "ConsoleSection",
    "CounterSection",
    "DeliverySection",
    "DestinationSection",
    "DeviceSettings",
    "EncryptionSection",
    "GatewaySection",
    "Grant",
    "HeadquartersSection",
    "LogSection",
    "Post",
    "Profile",
    "Roles",
    "SupervisionSection",
    "TlsSection",
    "diff_config",
    "load",
    "load_sound_parts",
]
