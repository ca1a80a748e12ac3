"""Uses a fingerprint module with the package `pyfingerprint`; prints its results as JSON.

    zfm_pyfingerprint.py PORT IMAGE

It requests fingers on its output, one JSON object per line, and waits for a line on its input.
"""

import json
import sys

from PIL import Image
from pyfingerprint.pyfingerprint import PyFingerprint

port, image = sys.argv[1:]


def lay(finger: int, touch: int) -> None:
    ask({"lay": [finger, touch]})


def ask(what: dict[str, object]) -> None:
    print(json.dumps(what), flush=True)
    sys.stdin.readline()


def opened(baud: int, address: int, password: int) -> PyFingerprint:
    module = PyFingerprint(port, baud, address, password)
    # It treats a read that timed out as a byte; on a busy machine its two seconds are short.
    module._PyFingerprint__serial.timeout = 30
    return module


def enrol(finger: int, page: int) -> tuple[bool, int]:
    for buffer in (1, 2):
        lay(finger, buffer)
        assert module.readImage()
        module.convertImage(buffer)
    return module.createTemplate(), module.storeTemplate(page)


module = opened(57600, 0xFFFFFFFF, 0x00000000)
seen: dict[str, object] = {"verified": module.verifyPassword(), "parameters": module.getSystemParameters()}
seen["empty"] = module.getTemplateCount()
seen["no finger"] = module.readImage()
seen["enrolled"] = [enrol(11, 3), enrol(12, 260)]
seen["count"] = module.getTemplateCount()
seen["index"] = [
    256 * page + at for page in (0, 1) for at, there in enumerate(module.getTemplateIndex(page)) if there
]

lay(12, 7)
assert module.readImage()
module.downloadImage(image)
with Image.open(image) as picture:
    seen["size"] = picture.size
module.convertImage(1)
seen["found"] = module.searchTemplate()
lay(13, 1)
assert module.readImage()
module.convertImage(1)
seen["stranger"] = module.searchTemplate()

module.loadTemplate(3, 1)
module.loadTemplate(260, 2)
seen["two fingers"] = module.compareCharacteristics()
module.loadTemplate(3, 2)
seen["one finger"] = module.compareCharacteristics()
characteristics = module.downloadCharacteristics(1)
seen["characteristics"] = len(characteristics)
seen["uploaded"] = module.uploadCharacteristics(2, characteristics)
seen["random"] = module.generateRandomNumber() != module.generateRandomNumber()

module.setMaxPacketSize(256)
module.setSecurityLevel(5)
seen["packet"], seen["security"] = module.getMaxPacketSize(), module.getSecurityLevel()
lay(12, 7)
assert module.readImage()
module.downloadImage(image + ".again.png")
with Image.open(image) as first, Image.open(image + ".again.png") as second:
    seen["same image"] = first.tobytes() == second.tobytes()
seen["deleted"] = module.deleteTemplate(3), module.getTemplateCount()
seen["cleared"] = module.clearDatabase(), module.getTemplateCount()
seen["password set"] = module.setPassword(0x20250807)
seen["address set"] = module.setAddress(0x01020304)
seen["as another"] = opened(57600, 0x01020304, 0x20250807).verifyPassword()
seen["wrong password"] = opened(57600, 0x01020304, 0x1).verifyPassword()
module.setBaudRate(115200)
module = opened(115200, 0x01020304, 0x20250807)
seen["faster"] = module.verifyPassword(), module.getBaudRate()
ask({"seen": seen})
