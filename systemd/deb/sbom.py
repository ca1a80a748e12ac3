"""Contents of a package: a bill of materials (CycloneDX 1.6, JSON) and a list of licences.

Read from the installed libraries themselves, not from the lock file. Libraries in C that a wheel contains are
listed under that wheel, each with its hash.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

OURS = "borderpost-gateway"
SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
TEXT = re.compile("licen[cs]e|copying|notice", re.IGNORECASE)
NOT_SAID_IN_FULL = {
    "BSD": "BSD-3-Clause",
    "CeCILL-C": "CECILL-C",
    "ISC License": "ISC",
    "PSFL": "PSF-2.0",
    "aiomqtt": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "libosdp": "Apache-2.0",
    "markdown-it-py": "MIT",
    "mdurl": "MIT",
    "pyscard": "LGPL-2.1-or-later",
    "pyusb": "BSD-3-Clause",
    "tree-sitter": "MIT",
}
"""Licences that metadata state only in classifiers or in other words, as in their licence files."""
BROUGHT_ALONG = {"av": "GPL-2.0-or-later (x264, x265) AND LGPL-3.0-or-later (FFmpeg)"}
"""Licences of parts inside a wheel, if they require more than the wheel's own."""


def bill(site: Path, name: str, version: str, epoch: int) -> str:
    """Return the bill of materials of one package, equal for equal content; `epoch` is its time."""
    components = [_component(each, site) for each in _installed(site)]
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([name, version, components]))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat(),
            "component": {
                "type": "application",
                "bom-ref": f"pkg:deb/{name}@{version}",
                "name": name,
                "version": version,
                "purl": f"pkg:deb/{name}@{version}",
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": components,
        "dependencies": [
            {"ref": f"pkg:deb/{name}@{version}", "dependsOn": [each["bom-ref"] for each in components]}
        ],
    }
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def licences(site: Path, home: str) -> str:
    """Return the licences of all parts of a package, with the paths of their installed texts."""
    lines = [
        "The border-post gateway is under the Apache License, version 2.0: the file LICENSE of",
        "borderpost-gateway, beside this one. Contained software:",
        "",
    ]
    for each in _installed(site):
        if each.name.replace("_", "-") == OURS:
            continue
        folder = Path(str(each.locate_file(""))) / f"{each.name.replace('-', '_')}-{each.version}.dist-info"
        lines.append(f"{_name(each)} {each.version}: {_licence(each)}")
        if (inside := BROUGHT_ALONG.get(_name(each))) is not None:
            lines.append(f"    brings along: {inside}")
        texts = [
            path for path in folder.rglob("*") if re.search(r"licen[cs]e|copying|notice", path.name, re.I)
        ]
        lines += [f"    /{home}/{path.relative_to(site)}" for path in sorted(texts) if path.is_file()]
    return "\n".join(lines) + "\n"


def _installed(site: Path) -> list[Distribution]:
    return sorted(distributions(path=[str(site)]), key=_name)


def _name(each: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", each.name).lower()


def _licence(each: Distribution) -> str:
    """Return a licence as an SPDX expression; raises ValueError for an unknown one."""
    said: Message = each.metadata  # type: ignore[assignment] # it is one (importlib.metadata, PackageMetadata)
    for told in (NOT_SAID_IN_FULL.get(_name(each)), said["License-Expression"], said["License"]):
        if told and (known := NOT_SAID_IN_FULL.get(told, told)) and SPDX.fullmatch(known):
            return known
    raise ValueError(f"{each.name} {each.version} states no licence: look it up, and add it to {__file__}")


def _component(each: Distribution, site: Path) -> dict[str, Any]:
    name = _name(each)
    purl = f"pkg:pypi/{name}@{each.version}"
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": each.version,
        "purl": purl,
        "licenses": [{"expression": _licence(each)}],
    }
    if inner := list(_brought_along(site / f"{each.name.replace('-', '_')}.libs", purl)):
        component["components"] = inner
    return component


def _brought_along(folder: Path, purl: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.so*")):
        yield {
            "type": "file",
            "bom-ref": f"{purl}#{path.name}",
            "name": path.name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}],
        }
