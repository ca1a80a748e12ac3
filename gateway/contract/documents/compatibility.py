"""Compatibility of a schema with an older one: within v1, fields and words are only added.

Compares the schemas that this package generates, not any JSON Schema: types, properties, items, references,
alternatives, constants, vocabularies and limits.
"""

from collections.abc import Iterator
from typing import Any, Literal

from gateway.contract.documents.open_schemas import Schema

Sender = Literal["gateway", "consumer"]

_EXACT = ("type", "const", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
          "minLength", "maxLength", "minItems", "maxItems")  # fmt: skip


def find_narrowings(old: Schema, new: Schema, sender: Sender = "gateway") -> list[str]:
    """List every incompatible change from `old` to `new`, each with the path of the field.

    Messages of the gateway must keep every field, and required fields required. Messages of consumers must
    not need more.
    """
    return list(_narrowings(old, new, (old, new), sender, "", frozenset()))


def _narrowings(
    old: Any, new: Any, roots: tuple[Schema, Schema], sender: Sender, path: str, seen: frozenset[str]
) -> Iterator[str]:
    reference = old.get("$ref")
    if reference is not None:
        if reference in seen:
            return
        seen |= {reference}
    old, old_root = _resolved(old, roots[0])
    new, new_root = _resolved(new, roots[1])
    roots = (old_root, new_root)
    where = path or "the message"
    for word in _EXACT:
        if old.get(word) != new.get(word):
            yield f"{where}: {word} was {old.get(word)!r}, is {new.get(word)!r}"
    for removed in [value for value in old.get("enum", ()) if value not in new.get("enum", ())]:
        yield f"{where}: the word {removed!r} was removed"
    yield from _required(old, new, sender, path)
    for name, part in old.get("properties", {}).items():
        field = f"{path}.{name}".lstrip(".")
        if name not in new.get("properties", {}):
            yield f"{field}: the field was removed"
        else:
            yield from _narrowings(part, new["properties"][name], roots, sender, field, seen)
    if "items" in old:
        yield from _narrowings(old["items"], new.get("items", {}), roots, sender, f"{path}[]", seen)
    before, after = old.get("anyOf", ()), new.get("anyOf", ())
    if len(before) != len(after):
        yield f"{where}: it had {len(before)} alternatives, it has {len(after)}"
    else:
        for one, other in zip(before, after, strict=True):
            yield from _narrowings(one, other, roots, sender, path, seen)


def _required(old: Schema, new: Schema, sender: Sender, path: str) -> Iterator[str]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    if sender == "gateway":
        for name in sorted(before - after):
            yield f"{f'{path}.{name}'.lstrip('.')}: was required, may now be missing"
    else:
        for name in sorted(after - before):
            yield f"{f'{path}.{name}'.lstrip('.')}: is now required"


def _resolved(schema: Schema, root: Schema) -> tuple[Schema, Schema]:
    """Follow a reference within its document; keywords beside the reference are kept."""
    reference = schema.get("$ref")
    if reference is None:
        return schema, root
    target = root["$defs"][reference.rpartition("/")[2]]
    return {**target, **{key: part for key, part in schema.items() if key != "$ref"}}, root
