"""Decision on the confinement of workers: by kernel, profile and configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drivers.links.link import Action
from gateway.contract.states import Confinement
from gateway.worker.jail.jail import kernel_confinement

SWITCH = "BORDERPOST_CONFINE"
"""`0`: no jail, outside production."""
FURTHER_PLACES = "BORDERPOST_CONFINE_PATHS"
"""Further files and folders of workers, with colons between, outside production."""


@dataclass(frozen=True, slots=True)
class ConfinementProblem:
    """A lack of confinement, as a problem of the gateway."""

    cause: str
    text: str
    action: Action
    how: str


@dataclass(frozen=True, slots=True)
class WorkerConfinement:
    """Confinement of all workers of one gateway."""

    level: Confinement
    is_confined: bool = True
    """False: switched off."""
    is_permitted: bool = True
    """False: a post in production must not start like this."""
    further_places: tuple[str, ...] = ()

    def problem(self) -> ConfinementProblem | None:
        """Return the problem to report; None for full confinement."""
        if self.level is Confinement.FULL:
            return None
        if not self.is_confined:
            return ConfinementProblem(
                "workers_not_confined",
                f"Drivers are not confined ({SWITCH}=0): each can read keys and open other devices.",
                Action.CONFIGURE,
                f"Start the gateway without {SWITCH}.",
            )
        if self.level is Confinement.NONE:
            return ConfinementProblem(
                "workers_not_confined",
                "This kernel cannot confine drivers: each can read keys and open other devices.",
                Action.CONFIGURE,
                "Install Linux 6.12 or later, with `landlock` in its list of security modules: "
                "cat /sys/kernel/security/lsm",
            )
        return ConfinementProblem(
            "workers_partly_confined",
            "This kernel confines drivers in part: keys and other devices are closed to them, but not all "
            "ports, signals or system calls.",
            Action.CONFIGURE,
            "Install Linux 6.12 or later.",
        )


def decide_confinement(
    policy: Literal["required", "best"], environ: Mapping[str, str], *, is_production: bool
) -> WorkerConfinement:
    """Decide how workers are confined; `policy` is that of the configuration, for production."""
    level = kernel_confinement()
    if is_production:
        return WorkerConfinement(level, is_permitted=level is not Confinement.NONE or policy == "best")
    further = tuple(path for path in environ.get(FURTHER_PLACES, "").split(":") if path)
    if environ.get(SWITCH) == "0":
        return WorkerConfinement(Confinement.NONE, is_confined=False)
    return WorkerConfinement(level, further_places=further)
