"""Health certificates (HCERT): texts that begin with HC1:, of the European Union, of WHO, and of others."""

from drivers.passport.seals.hcert.model import HealthCertificate, HealthScheme
from drivers.passport.seals.hcert.parser import is_health_certificate, parse

__all__ = ["HealthCertificate", "HealthScheme", "is_health_certificate", "parse"]
