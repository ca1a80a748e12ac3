"""Lines of the keys of a TOML text. Needed only to report mistakes.

The standard library's parser keeps no positions, so the text is parsed again by tree-sitter with its grammar
for TOML, the one that editors use. Key names are still read by the standard library, so that both agree which
keys are the same.
"""

import tomllib
from collections import Counter
from typing import Any

import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from gateway.config.errors import Key

_KEYS = ("bare_key", "quoted_key", "dotted_key")


class SourceLocations:
    """Line of every table, key and list entry of a text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Key, int] = {}
        self._entries: Counter[Key] = Counter()
        root = Parser(Language(tree_sitter_toml.language())).parse(text.encode()).root_node
        for node in root.named_children:
            match node.type:
                case "table" | "table_array_element":
                    self._table(node)
                case "pair":
                    self._pair(node, ())

    def line_of(self, key: Key) -> int:
        """Find the line of a key, from 1; a missing key has the line of its table."""
        while key and key not in self._lines:
            key = key[:-1]
        return self._lines.get(key, 1)

    def _note(self, key: Key, node: Node) -> None:
        self._lines.setdefault(key, node.start_point.row + 1)

    def _table(self, table: Node) -> None:
        name = next((child for child in table.named_children if child.type in _KEYS), None)
        if name is None:
            return
        key = self._follow_header(_names(name), name)
        if table.type == "table_array_element":
            self._entries[key] += 1
            key = (*key, self._entries[key] - 1)
            self._note(key, name)
        for child in table.named_children:
            if child.type == "pair":
                self._pair(child, key)

    def _follow_header(self, names: tuple[str, ...], node: Node) -> Key:
        """Follow a header into the latest entry of every list of tables on its way, and note new keys."""
        key: Key = ()
        for at, name in enumerate(names):
            key = (*key, name)
            self._note(key, node)
            if self._entries[key] and at < len(names) - 1:
                key = (*key, self._entries[key] - 1)
        return key

    def _pair(self, pair: Node, table: Key) -> None:
        name, *values = (child for child in pair.named_children if child.type != "comment")
        key = table
        for part in _names(name):
            key = (*key, part)
            self._note(key, name)
        for value in values:
            self._value(value, key)

    def _value(self, value: Node, key: Key) -> None:
        match value.type:
            case "inline_table":
                for child in value.named_children:
                    if child.type == "pair":
                        self._pair(child, key)
            case "array":
                for at, child in enumerate(
                    child for child in value.named_children if child.type != "comment"
                ):
                    self._note((*key, at), child)
                    self._value(child, (*key, at))


def _names(node: Node) -> tuple[str, ...]:
    """Split a key, with quotes and escapes resolved; empty when it is no key."""
    try:
        inner: Any = tomllib.loads(f"{(node.text or b'').decode()} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    names = []
    while isinstance(inner, dict):
        ((name, inner),) = inner.items()
        names.append(name)
    return tuple(names)
