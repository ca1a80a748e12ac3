"""Uses a fingerprint module with the package `adafruit-circuitpython-fingerprint`; prints results as JSON.

    zfm_adafruit.py PORT EXTRAS

It requests fingers as `zfm_pyfingerprint.py` does. EXTRAS: `echo` or `ring`, if the module has them.
"""

import json
import sys

import adafruit_fingerprint
import serial

port, extras = sys.argv[1:]
OK = adafruit_fingerprint.OK


def lay(finger: int, touch: int) -> None:
    ask({"lay": [finger, touch]})


def ask(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)
    sys.stdin.readline()


wire = serial.Serial(port, 57600, timeout=30)
module = adafruit_fingerprint.Adafruit_Fingerprint(wire)
seen: dict[str, object] = {
    "library": module.library_size,
    "packet": module.data_packet_size,
    "baud": module.baudrate,
    "no finger": module.get_image() == adafruit_fingerprint.NOFINGER,
}
for slot in (1, 2):
    lay(21, slot)
    assert module.get_image() == OK
    assert module.image_2_tz(slot) == OK
seen["model"] = module.create_model()
seen["compared"] = module.compare_templates(), module.confidence[0]
seen["stored"] = module.store_model(5)
assert module.count_templates() == OK
seen["count"] = module.template_count
assert module.read_templates() == OK
seen["templates"] = module.templates

lay(21, 5)
assert module.get_image() == OK
assert module.set_sysparam(6, 3) == OK
image = module.get_fpdata("image")
seen["image"] = bytes(image).hex()
assert module.image_2_tz(1) == OK
seen["found"] = module.finger_search(), module.finger_id, module.confidence
seen["found fast"] = module.finger_fast_search(), module.finger_id, module.confidence
lay(22, 1)
assert module.get_image() == OK
assert module.image_2_tz(1) == OK
seen["stranger"] = module.finger_search()

assert module.load_model(5, 1) == OK
characters = module.get_fpdata("char", 1)
seen["characters"] = len(characters)
assert module.send_fpdata(characters, "char", 2)
seen["back"] = module.get_fpdata("char", 2) == characters
assert module.send_fpdata(image, "image")
seen["image back"] = module.get_fpdata("image") == image
seen["deleted"] = module.delete_model(5)
seen["not there"] = module.load_model(5, 1)
seen["emptied"] = module.empty_library()
if extras == "echo":
    seen["echo"] = module.check_module()
else:
    seen["ring"] = module.set_led(color=2, mode=3, speed=100, cycles=1)
    module.soft_reset()
    seen["after reset"] = module.verify_password()
wire.close()
ask({"seen": seen})
