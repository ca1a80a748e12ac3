"""Internal self-test of barriers: reading and plausibility of all inputs. Moves nothing."""

from collections.abc import Iterator

from drivers.barrier.wiring import BarrierInputs, BarrierSettings
from drivers.observation import Outcome
from drivers.self_test import SelfTestStep


def input_steps(
    settings: BarrierSettings, sensed: BarrierInputs, took_ms: float, *, presence_missed: bool = False
) -> Iterator[SelfTestStep]:
    """Yield the steps of one reading of all inputs that took `took_ms` milliseconds.

    `presence_missed`: a presence detector has missed passages.
    """
    yield SelfTestStep(
        name="board.answers",
        outcome=Outcome.SUCCESSFUL if took_ms <= 1000 * settings.poll_s else Outcome.UNDETERMINED,
        text=f"The inputs were read in {took_ms:.0f} ms.",
        measured=round(took_ms, 1),
        unit="ms",
        at_most=1000 * settings.poll_s,
    )
    for wiring, door in zip(settings.doors, sensed.doors, strict=True):
        both = door.open_limit and door.closed_limit
        where = "open" if door.open_limit else "closed" if door.closed_limit else "between its ends"
        yield SelfTestStep(
            name=f"{wiring.name}.limits",
            outcome=Outcome.FAILED if both else Outcome.SUCCESSFUL,
            text="Both limit switches are made at the same time." if both else f"The door is {where}.",
            action="call_support" if both else "none",
            how="Check the limit switches and their wiring: one of them is stuck or shorted." if both else "",
        )
        for name, seen in (
            ("entry_side", door.entry_side),
            ("exit_side", door.exit_side),
            ("presence", door.presence),
        ):
            if name == "presence" and seen is False and presence_missed:
                yield SelfTestStep(
                    name=f"{wiring.name}.presence",
                    outcome=Outcome.FAILED,
                    text="It reads clear, and has missed passages that the sides have detected.",
                    action="call_support",
                    how="Check the detector and its wires, cover it once, then acknowledge.",
                )
            elif seen is not None:
                yield _covered(f"{wiring.name}.{name}", seen=seen)
    if sensed.emergency is not None:
        yield SelfTestStep(
            name="emergency",
            outcome=Outcome.FAILED if sensed.emergency else Outcome.SUCCESSFUL,
            text="The emergency input is active." if sensed.emergency else "The emergency circuit is closed.",
            action="call_support" if sensed.emergency else "none",
            how="End the emergency; if there is none, look for a cut wire." if sensed.emergency else "",
        )
    if sensed.controller_ok is not None:
        yield SelfTestStep(
            name="controller",
            outcome=Outcome.SUCCESSFUL if sensed.controller_ok else Outcome.FAILED,
            text="The controller is ready." if sensed.controller_ok else "The controller reports a fault.",
            action="none" if sensed.controller_ok else "call_support",
        )


def relay_step(*, stuck: bool) -> SelfTestStep:
    """Build the step of the relays."""
    return SelfTestStep(
        name="relays",
        outcome=Outcome.FAILED if stuck else Outcome.SUCCESSFUL,
        text="A relay is closed that should be open." if stuck else "All relays are open.",
        action="replace" if stuck else "none",
    )


def _covered(name: str, *, seen: bool) -> SelfTestStep:
    """Build the step of a photocell or loop: a person there and a dirty lens look the same."""
    return SelfTestStep(
        name=name,
        outcome=Outcome.UNDETERMINED if seen else Outcome.SUCCESSFUL,
        text="A person is there, or it is dirty or misaligned." if seen else "It is clear.",
        action="clean" if seen else "none",
        how="If no person is there, clean it and align it." if seen else "",
    )
