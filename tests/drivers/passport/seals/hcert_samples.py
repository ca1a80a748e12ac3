"""Published and generated health certificates.

PUBLISHED: WHO's example of the digital yellow card, in the tests of github.com/WorldHealthOrganization/
gdhcn-validator (Apache-2.0); Austria's and a common certificate of github.com/eu-digital-green-certificates/
dgc-testdata (Apache-2.0) with the certificates and days of their tests. All persons are invented.

GENERATED: made with the libraries named in samples/hcert.json, which share no code with ours; signers KE
(P-256), UG (P-384), AT (RSA) and TESTS (P-256, for tests only).
"""

import base64
import json
from typing import Any

from seal_samples import SAMPLES

_GENERATED: dict[str, Any] = json.loads((SAMPLES / "hcert.json").read_text())
GENERATED: dict[str, str] = _GENERATED["barcodes"]
SIGNERS = {name: base64.b64decode(text) for name, text in _GENERATED["signers"].items()}
PUBLISHED: dict[str, dict[str, str]] = json.loads((SAMPLES / "hcert_published.json").read_text())
