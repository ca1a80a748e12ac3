"""Health certificates (HCERT): texts that begin with HC1:, of the European Union, of WHO, and of others."""

from drivers.passport.seals.hcert.model import HealthCertificate, HealthScheme

__all__ = ["HealthCertificate", "HealthScheme"]
