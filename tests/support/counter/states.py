"""Every state of the counter page, each reached from an idle lane: for axe, and for pictures."""

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

from drivers.barrier.observations import BarrierAlarm, BarrierPassage
from drivers.camera.observations import FaceCaptured, FaceFeedback
from drivers.fingerprint.observations import CaptureEnded, FingerCaptured
from drivers.observation import Attachment
from drivers.passport.observations import DocumentRemoved, ReadFailed
from simulators.passport.chip import faults as fault
from simulators.passport.chip.face import draw_face
from simulators.travellers import TravellerGenerator
from support.counter.documents import observations, passport, read_chip
from support.counter.pages import BARRIER, CAMERA, FINGER, READER, sign_in
from support.counter.pictures import print_png
from support.counter.played import PlayedPost, data_of

PEOPLE = TravellerGenerator(23)
State = Callable[[PlayedPost, Page], Awaitable[object]]


async def idle(_post: PlayedPost, _page: Page) -> None:
    """Nobody is here."""


async def reading(post: PlayedPost, page: Page) -> None:
    """The zone is known, the chip is being read."""
    document = passport(PEOPLE)
    for each in observations(document.lines, read_chip(document)):
        if each.event_type == "document.chip":
            break
        await post.gateway.publish(READER, each)
    await expect(page.locator(".chip-line")).to_be_visible()


async def complete(post: PlayedPost, page: Page, *faults: fault.ChipFault) -> str:
    """The document is complete."""
    document = passport(PEOPLE)
    transaction = await post.gateway.publish_all(observations(document.lines, read_chip(document, *faults)))
    await expect(page.locator(".checks-list li")).not_to_have_count(0)
    return transaction


async def forged_chip(post: PlayedPost, page: Page) -> None:
    """Data of the chip were changed, and another name is in it."""
    await complete(post, page, fault.MrzUnlikePrint(), fault.AlteredGroup(group=2))


async def copied_page(post: PlayedPost, page: Page) -> None:
    """The page is a copy, its expiry is over, and no chip answers."""
    document = passport(PEOPLE, expiry="190101")
    await post.gateway.publish_all(observations(document.lines, copied=True))


async def dead_chip(post: PlayedPost, page: Page) -> None:
    """No chip answers."""
    await post.gateway.publish_all(observations(passport(PEOPLE).lines))


async def unreadable_zone(post: PlayedPost, page: Page) -> None:
    """A line of the zone is too short."""
    first, second = passport(PEOPLE).lines
    await post.gateway.publish_all(observations((first, second[:30])))


async def failed_read(post: PlayedPost, page: Page) -> None:
    """The reader sent a cut frame."""
    await post.gateway.publish(READER, data_of(ReadFailed, fault="cut", detail=None))


async def camera_gone(post: PlayedPost, page: Page) -> None:
    """The camera is unplugged."""
    await complete(post, page)
    await post.gateway.state(CAMERA, "no_device", "unplugged")


async def scanner_dirty(post: PlayedPost, page: Page) -> None:
    """The scanner works, and its window is dirty."""
    await complete(post, page)
    await post.gateway.state(FINGER, "degraded", "sensor_dirty")


async def preview(post: PlayedPost, page: Page) -> None:
    """The camera shows the person, with advice."""
    await complete(post, page)
    await page.keyboard.press("F2")
    await expect(page.locator(".portraits button[data-main]")).to_be_enabled()
    await post.gateway.say(f"{CAMERA}/preview/counter-1", draw_face("counter"))
    await post.gateway.publish(CAMERA, data_of(FaceFeedback, advice="move_closer"))
    await expect(page.locator(".portraits .advice")).not_to_be_empty()


async def printing(post: PlayedPost, page: Page) -> None:
    """A print was taken, another finger is missing, and the next one is being taken."""
    transaction = await complete(post, page)
    picture = Attachment.from_bytes("picture", "image/jpeg", draw_face("counter"))
    await post.gateway.publish(CAMERA, data_of(FaceCaptured, attachments=(picture,)), transaction)
    png = Attachment.from_bytes("png", "image/png", print_png(1))
    await post.gateway.publish(FINGER, data_of(FingerCaptured, attachments=(png,)), transaction)
    await post.gateway.publish(FINGER, data_of(CaptureEnded, outcome="captured", reason=None), transaction)
    await page.locator("#finger").select_option("left_index")
    await page.locator("#missing").select_option("injured")
    await page.locator("#finger").select_option("right_thumb")
    await expect(page.locator(".prints-list img")).to_be_visible()


async def gate_open(post: PlayedPost, page: Page) -> None:
    """The gate is open, and the person has passed."""
    transaction = await complete(post, page)
    await post.gateway.gate("open")
    await post.gateway.publish(
        BARRIER, data_of(BarrierPassage, permitted=True, tailgating=False), transaction
    )
    await expect(page.locator(".notices .note")).to_have_count(1)


async def gate_stuck(post: PlayedPost, page: Page) -> None:
    """The gate did not arrive, and refuses to open."""
    await complete(post, page)
    await post.gateway.gate("fault", "not_arrived", conditions=["not_arrived", "no_limit"])
    await post.gateway.publish(BARRIER, data_of(BarrierAlarm, kind="not_arrived"))
    post.gateway.refusals[BARRIER, "open"] = "unsafe"
    await page.keyboard.press("F9")
    await expect(page.locator(".gate .failure")).to_be_visible()


async def document_gone(post: PlayedPost, page: Page) -> None:
    """The document was taken away."""
    transaction = await complete(post, page)
    await post.gateway.publish(READER, data_of(DocumentRemoved, end_reason="complete"), transaction)


async def silent_gateway(post: PlayedPost, page: Page) -> None:
    """The gateway gives no sign of life: what is shown is outdated."""
    await complete(post, page)
    post.gateway.is_silent = True
    await expect(page.locator(".document[data-stale]")).to_be_visible()


async def lane_taken(post: PlayedPost, page: Page) -> None:
    """Another counter has the lane."""
    await post.gateway.claim(BARRIER, "counter-2")
    await expect(page.locator(".taken")).to_be_visible()


async def examine(post: PlayedPost, page: Page) -> None:
    """The page under every light."""
    await complete(post, page, fault.MrzUnlikePrint())
    await page.keyboard.press("F8")
    await expect(page.locator(".lights img")).to_have_count(3)


async def examine_slider(post: PlayedPost, page: Page) -> None:
    """Two lights under the slider, enlarged."""
    await examine(post, page)
    await page.locator("#mode-slider").check()
    await page.keyboard.press("+")
    await page.keyboard.press("+")


async def locked(_post: PlayedPost, page: Page) -> None:
    """The officer has locked the counter."""
    await page.keyboard.press("Alt+l")
    await expect(page.locator(".sign-in")).to_be_visible()


STATES: tuple[State, ...] = (
    idle,
    reading,
    complete,
    forged_chip,
    copied_page,
    dead_chip,
    unreadable_zone,
    failed_read,
    camera_gone,
    scanner_dirty,
    preview,
    printing,
    gate_open,
    gate_stuck,
    document_gone,
    silent_gateway,
    lane_taken,
    examine,
    examine_slider,
    locked,
)


CHOOSE = "(select, code) => { select.value = code; select.dispatchEvent(new Event('change')); }"
"""Script that chooses a language, also under an open window."""
LANGUAGES = ("en", "sw", "fr")


async def choose_language(page: Page, language: str) -> None:
    await page.locator("#language").evaluate(CHOOSE, language)


async def to_idle(post: PlayedPost, page: Page) -> None:
    """Bring the lane back to where nobody is here."""
    if await page.locator(".sign-in").count():
        await sign_in(page)
    gateway = post.gateway
    gateway.refusals.clear()
    gateway.is_silent = False
    await gateway.token()
    for position in (CAMERA, FINGER):
        await gateway.state(position)
    await gateway.gate("closed")
    if gateway.holders.get(BARRIER) == "counter-2":
        await gateway.claim(BARRIER, None)
    await page.keyboard.press("Escape")
    await page.keyboard.press("F10")
    while await page.locator(".notices .note button").count():
        await page.locator(".notices .note button").first.click()
    await expect(page.locator(".waiting")).to_be_visible()
    await expect(page.locator(".notices .note")).to_have_count(0)
