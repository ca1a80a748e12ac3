"""Charts as SVG, drawn on the server.

No script, readable by screen readers, coloured by the style sheet. No I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 480, 150, 44, 20, 12
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its label, and its parts from bottom to top, each with a class of the style sheet."""

    label: str
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One value."""

    label: str
    value: float


def column_chart(title: str, description: str, values: Sequence[Column]) -> Markup:
    """Draw columns side by side; `description` is the text alternative."""
    top = _ceiling(max((sum(size for _, size in value.parts) for value in values), default=0))
    room = (WIDTH - LEFT) / max(1, len(values))
    drawn = []
    for place, value in enumerate(values):
        ground = 0.0
        for style, size in value.parts:
            if size:
                box = (LEFT + place * room + 0.5, _y(ground + size, top), max(room - 1, 1))
                drawn.append(
                    Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                        style, *box, _y(ground, top) - _y(ground + size, top)
                    )
                )
                ground += size
    ends = (values[0].label, values[-1].label) if values else ("", "")
    return _svg_frame(title, description, top, "", ends, drawn)


def line_chart(
    title: str,
    description: str,
    values: Sequence[Point],
    *,
    unit: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
) -> Markup:
    """Draw values joined by a line, with their limits."""
    limits = [limit for limit in (at_least, at_most) if limit is not None]
    top = _ceiling(max([*(value.value for value in values), *limits], default=0))
    room = (WIDTH - LEFT - 8) / max(1, len(values) - 1)
    places = [(LEFT + 4 + n * room, _y(value.value, top)) for n, value in enumerate(values)]
    drawn = [
        Markup('<line class="limit" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
            LEFT, WIDTH, _y(limit, top), _y(limit, top)
        )
        for limit in limits
    ]
    if places:
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(Markup('<polyline class="line" points="{}"/>').format(line))
    drawn += [Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(x, y) for x, y in places]
    ends = (values[0].label, values[-1].label) if values else ("", "")
    return _svg_frame(title, description, top, unit, ends, drawn)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - max(0.0, min(value, top)) / top * (HEIGHT - BOTTOM - TOP)


def _ceiling(highest: float) -> float:
    """Return the end of the scale: 1, 2 or 5 times a power of ten."""
    if highest <= 0:
        return 1.0
    power = 1e-6
    while power < 1e12:
        for step in (1, 2, 5):
            if step * power >= highest:
                return step * power
        power *= 10
    return highest


def _svg_frame(
    title: str, description: str, top: float, unit: str, ends: tuple[str, str], drawn: Sequence[Markup]
) -> Markup:
    name = f"plot-{next(_numbers)}"
    scale = f"{top:g} {unit}".strip()
    return Markup(
        '<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-t {name}-d">'
        '<title id="{name}-t">{title}</title><desc id="{name}-d">{description}</desc>'
        '<line class="axis" x1="{left}" x2="{width}" y1="{ground}" y2="{ground}"/>'
        '<line class="axis" x1="{left}" x2="{left}" y1="{top_y}" y2="{ground}"/>'
        '<text x="{scale_x}" y="{scale_y}" text-anchor="end">{scale}</text>'
        '<text x="{scale_x}" y="{ground}" text-anchor="end">0</text>'
        '<text x="{left}" y="{height_text}">{first}</text>'
        '<text x="{width}" y="{height_text}" text-anchor="end">{last}</text>'
        "{drawn}</svg>"
    ).format(
        width=WIDTH,
        height=HEIGHT,
        name=name,
        title=title,
        description=description,
        left=LEFT,
        ground=HEIGHT - BOTTOM,
        top_y=TOP,
        scale=escape(scale),
        scale_x=LEFT - 4,
        scale_y=TOP + 6,
        height_text=HEIGHT - 5,
        first=ends[0],
        last=ends[1],
        drawn=Markup("").join(drawn),
    )
