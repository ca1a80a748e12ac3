"""Faults of drivers and simulators: the text of a faulty module, and the sentence of its fault."""

from drivers import DRIVER_API

DRIVER_WORDS = '''
from typing import ClassVar
from pydantic import Field
from drivers.command import CommandArguments, CommandOutput, CommandType
from drivers.observation import DataClass, Observation
from drivers.vocabulary import Vocabulary

class Weighed(Observation):
    """An object lies on the scale."""
    event_type: ClassVar[str] = "acme.scale.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    mass_kg: float = Field(description="Mass, in kilograms.", examples=[23.4])

class Tared(CommandOutput):
    """The scale is at zero."""

VOCABULARY = Vocabulary("acme", 2, (Weighed,), (CommandType("acme.tare", CommandArguments, Tared),))
'''
SCALE = """
import asyncio
from drivers.command import CommandArguments, CommandOutput, Invocation, command
from drivers.driver import Driver, Family, Identity
from drivers.links.settings import Settings
from drivers.observation import DataClass, Observation
from drivers.self_test import SelfTestLevel
from drivers.vocabulary import Vocabulary
from acme_words import VOCABULARY, Tared, Weighed

class Own(Settings):
    port: str = ""

class Scale(Driver[Own]):
    driver_api = 1
    family = Family("luggage_scale")
    vocabulary = VOCABULARY
    settings_model = Own
    observation_types = (Weighed,)

    async def open(self):
        return Identity(model="scale")

    async def watch(self):
        await asyncio.sleep(3600)
        yield Weighed(mass_kg=1)

    @command()
    async def tare(self, request: CommandArguments, call: Invocation) -> Tared:
        return Tared()

"""


def changed(text: str) -> str:
    """Return a device whose class has changed lines."""
    return f"class Device(Scale):\n    {text}\n"


PLAIN = (
    "class Device(Driver[Own]):\n    family = Family.CAMERA\n    open = Scale.open\n    watch = Scale.watch\n"
)
"""A device without settings, observations and vocabulary."""
DRIVER_FAULTS = {
    "no_driver": ("class Device: pass", "it is not a subclass of drivers.driver.Driver"),
    "abstract": ("class Device(Driver[Own]): pass", "it does not implement open, watch"),
    "no_family": (
        "class Device(Driver[Own]):\n    open = Scale.open\n    watch = Scale.watch",
        "it does not declare family",
    ),
    "no_settings": (
        PLAIN,
        "it does not declare settings_model",
    ),
    "newer_api": (
        changed("driver_api = 9"),
        f"it is written for version 9 of the driver interface, but this gateway has {DRIVER_API}; "
        "install a newer gateway, or an older version of its package",
    ),
    "api_of_text": (changed("driver_api = '1'"), "its driver_api is no number"),
    "family_of_text": (
        changed("family = 'camera'"),
        'its family is no Family; write Family.CAMERA, or Family("luggage_scale") for a new one',
    ),
    "family_malformed": (
        changed("family = Family('Luggage scale')"),
        'its family is unknown; write Family("luggage_scale"), one word of lower-case letters',
    ),
    "settings_no_model": (
        changed("settings_model = dict"),
        "its settings_model is no subclass of drivers.links.settings.Settings",
    ),
    "settings_open": (
        "class Open(Own):\n    model_config = {'extra': 'allow'}\n" + changed("settings_model = Open"),
        "its settings accept unknown keys, so that a mistyped one is not found",
    ),
    "setting_of_all": (
        "class Other(Own):\n    expected_firmware: str = ''\n" + changed("settings_model = Other"),
        "its setting expected_firmware is one of every device; rename it",
    ),
    "types_no_tuple": (changed("observation_types = [Weighed]"), "its observation_types are no tuple"),
    "type_of_others": (
        changed("observation_types = (int,)"),
        "in its observation_types, int is no subclass of drivers.observation.Observation",
    ),
    "type_twice": (
        changed("observation_types = (Weighed, Weighed)"),
        "two of its observation_types are acme.scale.weighed",
    ),
    "type_replaced": (
        "class Forged(Weighed):\n    event_type = 'document.read'\n"
        + changed("observation_types = (Forged,)"),
        "Forged would replace the event type document.read, which belongs to the gateway; yield the "
        "gateway's own observation, or choose an event type of your namespace",
    ),
    "type_of_other_vendor": (
        "class Other(Weighed):\n    event_type = 'kivu.weighed'\n" + changed("observation_types = (Other,)"),
        "the event type kivu.weighed is not in its vocabulary acme",
    ),
    "no_vocabulary": (
        PLAIN + "    settings_model = Own\n    observation_types = (Weighed,)",
        "the event type acme.scale.weighed is in no vocabulary, so that no workstation could read it; "
        "list it in one, and declare `vocabulary = VOCABULARY`",
    ),
    "vocabulary_of_text": (
        changed("vocabulary = 'acme'").replace("observation_types", "types"),
        "its vocabulary is no drivers.vocabulary.Vocabulary",
    ),
    "vocabulary_of_another": (
        "OTHER = Vocabulary('acme', 3, VOCABULARY.observations, VOCABULARY.commands)\n"
        + changed("vocabulary = OTHER"),
        "its vocabulary is not the one that is registered as acme, acme_words:VOCABULARY",
    ),
    "command_unknown": (
        changed(
            "@command()\n    async def weigh(self, r: CommandArguments, c: Invocation) -> CommandOutput: pass"
        ),
        "its command weigh is neither in a vocabulary nor one of the gateway's; list it in one, and declare "
        "`vocabulary = VOCABULARY`",
    ),
    "command_models": (
        changed(
            "@command()\n    async def tare(self, r: CommandArguments, c: Invocation) -> CommandOutput: pass"
        ),
        "the models of its command tare are not those of acme.tare in its vocabulary",
    ),
    "command_of_gateway": (
        changed(
            "family = Family.BARRIER\n    @command(verb='open')\n"
            "    async def raise_it(self, r: CommandArguments, c: Invocation) -> CommandOutput: pass"
        ),
        "the models of its command open are not the gateway's for barrier.open: OpenBarrier and MoveResult",
    ),
    "command_signature": (
        changed("@command()\n    async def weigh(self) -> CommandOutput: pass"),
        "TypeError: Device.weigh is not (self, CommandArguments, Invocation) -> CommandOutput",
    ),
    "command_reserved": (
        changed(
            "@command()\n    async def claim(self, r: CommandArguments, c: Invocation) -> CommandOutput: pass"
        ),
        "TypeError: Device.claim: `claim` is a command of every device",
    ),
    "commands_no_mapping": (
        "class Device(Scale): pass\nDevice.commands = 5",
        "its commands are no mapping; declare them with @command",
    ),
    "usb_ids": (changed("usb_ids = ('1234',)"), "its usb_ids are no pairs of numbers"),
    "levels": (
        changed("self_test_levels = ('internal',)\n    self_test = Scale.watch"),
        "its self_test_levels are no tuple of SelfTestLevel",
    ),
    "levels_without_test": (
        changed("self_test_levels = (SelfTestLevel.INTERNAL,)"),
        "it declares self_test_levels, but has no self_test",
    ),
    "sync_open": (changed("def open(self): pass"), "its open is no async method"),
    "watch_never_yields": (
        changed("async def watch(self): pass"),
        "its watch never yields; it must be an async generator",
    ),
    "async_claim": (
        changed("async def on_claim_changed(self, station): pass"),
        "its on_claim_changed is async, and would never run",
    ),
    "constructor": (
        changed("def __init__(self, port): pass"),
        "its __init__ takes other arguments than (settings, links)",
    ),
    "anonymizer_malformed": (
        changed("anonymizer = 'acme/anonymize'"),
        "its anonymizer is not like `acme_scale.anonymize:anonymize`",
    ),
    "anonymizer_missing": (
        changed("anonymizer = 'acme_nothing:anonymize'"),
        "its anonymizer acme_nothing:anonymize cannot be imported "
        "(ModuleNotFoundError: No module named 'acme_nothing')",
    ),
}


SIMULATOR = """
from typing import Literal
from pydantic import Field, field_validator
from simulators.simulator import Simulator, SimulatorSettings

class Scale(Simulator):
    def __init__(self, settings): self.settings = settings
    async def run(self, emit):
        import asyncio
        emit("ready", {"mass_kg": self.settings.mass_kg})
        await asyncio.Event().wait()
    async def handle_command(self, verb, arguments):
        return {"mass_kg": self.settings.mass_kg}

class Settings(SimulatorSettings):
    kind: Literal["acme-scale"]
    mass_kg: float = Field(23.4, description="Mass on the scale, in kilograms.")
    def build(self): return Scale(self)
"""

SIMULATOR_FAULTS = {
    "raises": ("raise OSError('no licence')", "OSError: no licence"),
    "exits": ("raise SystemExit(3)", "SystemExit: 3"),
    "no_settings": ("Settings = 5", "it is no subclass of simulators.simulator.SimulatorSettings"),
    "no_kind": (
        SIMULATOR.replace('kind: Literal["acme-scale"]', "kind: str"),
        'its field kind is not declared as `kind: Literal["acme-scale"]`, the name of its entry point',
    ),
    "no_build": (
        SIMULATOR.replace("def build", "def make"),
        "it has no method build, which makes the simulator",
    ),
    "open": (
        SIMULATOR + '    model_config = {"extra": "allow"}\n',
        "its settings accept unknown keys, so that a mistyped one is not found",
    ),
    "no_description": (
        SIMULATOR.replace('Field(23.4, description="Mass on the scale, in kilograms.")', "23.4"),
        "its setting mass_kg has no description",
    ),
}

IMPORT_FAULTS = {
    "exits": ("raise SystemExit(78)", "its import ended the process with status 78"),
    "ends_process": ("import os; os._exit(3)", "its import ended the process with status 3"),
    "kills": ("import os; os.kill(os.getpid(), 15)", "its import ended the process by signal 15"),
    "raises": ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    "needs_module": ("import acme_nothing", "ModuleNotFoundError: No module named 'acme_nothing'"),
    "starts_thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "its import starts threads",
    ),
    "handles_signal": (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "its import changes signal handlers",
    ),
    "hooks": ("import sys; sys.excepthook = print", "its import changes hooks of the interpreter"),
}
"""What a module does when it is imported; the rest of it is a sound driver."""

OTHER_FAULTS = {
    "clash": "two packages register the name acme-scale: acme-scale 1.2 and kivu-scale 1.2; "
    "uninstall one of them",
    "ours": "the name mrz-serial belongs to the gateway, which uses its own; choose another",
    "name": "the name 'Acme_Scale' is not of lower-case letters, digits and hyphens, as in a post's file",
    "endless": "its import took more than 1 s of processor time",
    "not_registered": "its vocabulary acme is not registered, so that no workstation could find it; "
    "add an entry point acme of the group borderpost.vocabularies",
    "beside_driver": "its vocabulary is in the module of the driver, acme_scale, which no workstation can "
    "import without the driver's libraries; move it to another module",
    "older_api": "it is written for version 1 of the driver interface, but this gateway runs 3 to 4; "
    "install a newer version of its package",
}
"""Sentences of faults that are not in the text of one module."""
