"""The safety case of a barrier as text, and as a page to print and sign, with its wiring drawn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from drivers.barrier.board import BoardSettings
from drivers.barrier.board_settings import BoardBarrierSettings
from drivers.barrier.safety.case import Answer, SafetyCase, WireFault, board_name, build_case, name_of
from drivers.links.factory import LinkFactory
from gateway.cli._render.page import bullets, signatures, table, to_page

ROW, BOARD_X, MACHINE_X = 26, 190, 560
"""Height of a row of the drawing, right edge of the board, left edge of the machine, in pixels."""
STYLE = "svg text{font:13px sans-serif}"


@dataclass(frozen=True, slots=True)
class CasePage:
    """The safety case of the barrier at a position."""

    site: str
    gateway: str
    position: str
    driver: str
    settings: BoardBarrierSettings
    case: SafetyCase

    @classmethod
    def of(
        cls, site: str, gateway: str, position: str, driver: str, settings: BoardBarrierSettings
    ) -> "CasePage":
        """Compute the case of a barrier."""
        return cls(site, gateway, position, driver, settings, build_case(settings))

    # Text.

    def lines(self) -> Iterator[str]:
        """Yield the case as lines for a terminal."""
        case = self.case
        yield f"Safety case of {self.position} ({self.site}/{self.gateway}), {self.driver}"
        yield f"Board: {self._boards()}"
        yield f"Configuration {self.settings.fingerprint()}"
        yield from self._section("Cut wires", map(self._wire_line, case.wires))
        relays = (
            f"relay {fault.relay}, {name_of(self.settings, fault.key)}: {fault.text} {_sum_up(fault.answers)}"
            for fault in case.relays
        )
        yield from self._section("A relay that stays closed", (*relays, self._noticed()))
        yield from self._section("Dead gateway", case.dead_gateway)
        yield from self._section("Dead board", case.dead_board)
        yield from self._section("Left to the machine's own controller", case.rests_on_machine)
        yield from self._section("To be confirmed at the machine", case.to_confirm)
        values = (f"{one.key} = {one.value}" for one in case.values)
        yield from self._section("Times, limits and permissions", values)

    def _section(self, title: str, items: Sequence[str] | Iterator[str]) -> Iterator[str]:
        yield ""
        yield title
        for item in items:
            yield f"  - {item}"

    def _wire_line(self, fault: WireFault) -> str:
        name = name_of(self.settings, fault.key)
        return f"input {fault.wired.input}, {name}: reads as {fault.cut_reads}. {_sum_up(fault.cut)}"

    # Page.

    def html(self, at: datetime | None = None) -> str:
        """Return the case as a page that loads nothing."""
        case, settings = self.case, self.settings
        made = (at or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
        wires = table(
            ("Input", "Signal", "Contact", "Cut wire reads as", "Commands with it cut", "Short noticed"),
            [
                (
                    str(fault.wired.input),
                    name_of(settings, fault.key),
                    fault.wired.contact,
                    fault.cut_reads,
                    _sum_up(fault.cut),
                    "yes" if fault.is_short_noticed else f"no: reads as {fault.short_reads}",
                )
                for fault in case.wires
            ],
        )
        relays = table(
            ("Relay", "Contact", "If it stays closed", "Commands then"),
            [
                (str(fault.relay), name_of(settings, fault.key), fault.text, _sum_up(fault.answers))
                for fault in case.relays
            ],
        )
        values = table(("Key", "Value", "Meaning"), [(one.key, one.value, one.text) for one in case.values])
        heading = f"Safety case of {self.position}"
        identity = table(
            ("Post", "Position", "Driver", "Board", "Configuration", "Printed"),
            [(f"{self.site} / {self.gateway}", self.position, self.driver, self._boards(),
              settings.fingerprint(), made)],
        )  # fmt: skip
        parts = [
            f"<h1>{escape(heading)}</h1>",
            identity,
            "<p>Computed by the driver's own state machine over this configuration. The gateway requests "
            "movements and may withhold them. It is no safety device: people are protected by the machine's "
            "own controller and sensors.</p>",
            f"<h2>Wiring</h2>{self._drawing()}",
            f"<h2>A cut wire</h2>{wires}",
            f"<h2>A relay that stays closed</h2>{relays}<p>{escape(self._noticed())}</p>",
            bullets("Dead gateway", case.dead_gateway),
            bullets("Dead board or network", case.dead_board),
            bullets("Left to the machine's own controller", case.rests_on_machine),
            bullets("Confirmed at the machine", [f"\N{BALLOT BOX} {item}" for item in case.to_confirm]),
            f"<h2>Times, limits and permissions</h2>{values}",
            signatures("Installer", "Safety officer"),
        ]
        return to_page(heading, "".join(parts), STYLE)

    def _drawing(self) -> str:
        settings = self.settings
        time_relay_s = getattr(settings.board, "time_relay_s", None)
        timed = "" if time_relay_s is None else f" (by a time relay, {time_relay_s:g} s)"
        first = [
            (f"relay {fault.relay}", name_of(settings, fault.key) + timed, "relay")
            for fault in self.case.relays
        ]
        groups = [(settings.board, first)]
        # Inputs of a second board are numbered after those of the first.
        own = settings.board.build(LinkFactory()).inputs
        second: list[tuple[str, str, str]] = []
        for wire in self.case.wires:
            number, name = wire.wired.input, name_of(settings, wire.key)
            if number < own:
                first.append((f"input {number}", name, wire.wired.contact))
            else:
                label = f"input {number}" if not own else f"input {number} (its {number - own})"
                second.append((label, name, wire.wired.contact))
        if settings.inputs_from is not None:
            groups.append((settings.inputs_from, second))
        height = sum(ROW * (len(group) + 2) for _, group in groups)
        drawn = [
            f'<svg viewBox="0 0 760 {height}" width="100%" role="img" aria-label="Wiring">',
            _box(MACHINE_X, 190, 0, height, "machine"),
        ]
        top = 0
        for board, group in groups:
            size = ROW * (len(group) + 2)
            drawn.append(_box(10, BOARD_X - 10, top, size, f"board: {board_name(board)}"))
            for at, (left, right, kind) in enumerate(group):
                drawn.append(_wire(top + ROW * (at + 2) - 4, left, right, kind))
            top += size
        return "".join((*drawn, "</svg>"))

    def _noticed(self) -> str:
        if (after_s := self.case.relay_check_s) is None:
            return "It is not noticed, because this board cannot be read: only its time relay ends a pulse."
        return f"It is noticed {after_s:g} s after a command."

    def _boards(self) -> str:
        """Return the boards with their addresses, by which a person finds them at the post."""
        boards = (self.settings.board, self.settings.inputs_from)
        return "; inputs: ".join(_board_with_address(each) for each in boards if each is not None)


def _sum_up(answers: Sequence[Answer]) -> str:
    """Return the answers in a sentence each; in one, if all commands are refused for the same reason."""
    reasons = {each.refusal for each in answers}
    if len(answers) > 1 and len(reasons) == 1 and (reason := next(iter(reasons))) is not None:
        return f"Every command: refused ({reason})"
    return " ".join(
        f"{each.command}: permitted." if each.refusal is None else f"{each.command}: refused ({each.refusal})"
        for each in answers
    )


def _board_with_address(board: BoardSettings) -> str:
    address = getattr(board, "port", "") or getattr(board, "chip", "")
    unit = getattr(board, "unit", None)
    return f"{board_name(board)} at {address}" + ("" if unit is None else f", unit {unit}")


def _box(x: int, width: int, y: int, height: int, title: str) -> str:
    return (
        f'<rect x="{x}" y="{y + 1}" width="{width}" height="{height - 2}" fill="none" stroke="#000"/>'
        f'<text x="{x + 8}" y="{y + 18}" font-weight="bold">{escape(title)}</text>'
    )


def _wire(y: int, left: str, right: str, kind: str) -> str:
    """Draw a wire and its contact, a relay's at the board and an input's at the machine."""
    x = BOARD_X + 40 if kind == "relay" else MACHINE_X - 80
    blade = f"{x},{y} {x + 34},{y}" if kind == "nc" else f"{x},{y} {x + 30},{y - 10}"
    label = "" if kind == "relay" else f'<text x="{x + 4}" y="{y - 8}">{kind}</text>'
    return (
        f'<text x="20" y="{y + 4}">{escape(left)}</text>'
        f'<polyline points="{BOARD_X},{y} {x},{y}" stroke="#000" fill="none"/>'
        f'<polyline points="{blade}" stroke="#000" stroke-width="2.5" fill="none"/>'
        f'<polyline points="{x + 34},{y} {MACHINE_X},{y}" stroke="#000" fill="none"/>{label}'
        f'<text x="{MACHINE_X + 10}" y="{y + 4}">{escape(right)}</text>'
    )
