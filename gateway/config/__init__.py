"""The one file that describes a post: read, checked as a whole, compared with an older one.

What is wrong with a file is said all at once, by line, key and remedy (`ConfigError`). A correct file costs
the standard library's parser and the models; everything that explains mistakes is imported only for one.
"""

from gateway.config.diff import ConfigDiff, diff_config
from gateway.config.errors import ConfigError, ConfigIssue
from gateway.config.loader import load
from gateway.config.model import (
    BrokerSection,
    CommandsSection,
    ConsoleSection,
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
]
