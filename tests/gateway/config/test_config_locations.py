"""Lines of keys: every key of a generated text has its own line number as its value."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.errors import Key, format_key, quote
from gateway.config.interpolation import interpolate
from gateway.config.locations import SourceLocations

NAMES = st.one_of(
    st.text(alphabet="abz-_09", min_size=1, max_size=4),
    st.text(min_size=1, max_size=4).filter(lambda text: text.isprintable()),
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Draw a TOML text whose numbers are their own lines."""
    lines: list[str] = []
    trees = draw(
        st.lists(
            st.tuples(NAMES, st.booleans(), st.lists(NAMES, unique=True, max_size=3)),
            unique_by=lambda t: t[0],
        )
    )
    for table, entries, keys in trees:
        for _ in range(draw(st.integers(1, 3)) if entries else 1):
            lines += [""] * draw(st.integers(0, 2)) + ["# é 😀"] * draw(st.integers(0, 1))
            lines.append(f"[[{format_key((table,))}]]" if entries else f"[{format_key((table,))}]")
            for key in keys:
                at = len(lines) + 1
                name = format_key((key,))
                match draw(st.integers(0, 4)):
                    case 0:
                        lines.append(f"{name} = {at}")
                    case 1:
                        lines.append(f"{name}.{quote('in ner')} . x = {at} # comment")
                    case 2:
                        lines.append(f"{name} = {{ a = {at}, b.c = {at} }}")
                    case 3:
                        lines += [f"{name} = [", f"  {at + 1}, # comment", f"  {{ y = {at + 2} }} ]"]
                    case _:
                        lines += [f"{name} = '''", "[no]", "t = 1", "'''"]
            if draw(st.booleans()):
                lines += [f"[{format_key((table,))}.{quote('sub/table')}]", f"z = {len(lines) + 2}"]
    return "\n".join(lines)


def numbers(value: Any, key: Key = ()) -> list[tuple[Key, int]]:
    """List every number of a document, with its key."""
    match value:
        case dict():
            return [found for name, inner in value.items() for found in numbers(inner, (*key, name))]
        case list():
            return [found for at, inner in enumerate(value) for found in numbers(inner, (*key, at))]
        case int():
            return [(key, value)]
        case _:
            return []


@given(texts())
def test_every_key_is_found_on_its_line(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a drawn key named `sub/table`
        return
    places = SourceLocations(text)

    assert [(key, places.line_of(key)) for key, _ in numbers(document)] == numbers(document)


@given(st.text())
def test_locations_of_any_text_are_its_lines(text: str) -> None:
    assert SourceLocations(text).line_of(("a", 0)) >= 1


def test_missing_key_has_line_of_its_table() -> None:
    places = SourceLocations('\n\n[device."lane-1/reader"]\nport = 1\n\n[broker]\n')

    assert places.line_of(("device", "lane-1/reader", "driver")) == 3
    assert places.line_of(("broker", "tls", "ca_file")) == 6
    assert places.line_of(("gateway",)) == 1


@given(st.text())
def test_formatted_key_reads_back(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        return
    assert list(tomllib.loads(f"{quote(name)} = 1")) == [name]


VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_only_dollar_signs_are_interpolated(table: dict[str, Any]) -> None:
    def each(value: Any, change: tuple[str, str]) -> Any:
        match value:
            case str():
                return value.replace(*change)
            case dict():
                return {name: each(inner, change) for name, inner in value.items()}
            case list():
                return [each(inner, change) for inner in value]
            case _:
                return value

    filled = interpolate(each(table, ("$", "$$")), {})

    assert filled.table == table
    assert not filled.faults
    assert not filled.origins
