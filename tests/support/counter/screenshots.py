"""Pictures of every state of the counter page: `python -m support.counter.screenshots FOLDER [STATE ...]`."""

import argparse
import asyncio
from pathlib import Path

from playwright.async_api import expect

from support.counter.pages import SCREENS, sign_in
from support.counter.played import played_post
from support.counter.states import LANGUAGES, STATES, State, choose_language, to_idle


async def take(folder: Path, states: tuple[State, ...], screens: tuple[str, ...]) -> None:
    """Take the pictures of these states, in every language."""
    expect.set_options(timeout=60_000)
    folder.mkdir(parents=True, exist_ok=True)
    async with played_post(wipe_after_s=600, lock_after_s=0) as post:
        for screen in screens:
            async with post.new_page(screen) as page:
                await page.screenshot(path=folder / f"{screen}-signed_out.png")
                await sign_in(page)
                for state in states:
                    for language in LANGUAGES:
                        await choose_language(page, language)
                        await state(post, page)
                        await asyncio.sleep(0.5)  # pictures are decoded
                        await page.screenshot(path=folder / f"{screen}-{state.__name__}-{language}.png")
                        await to_idle(post, page)


def main() -> None:
    parser = argparse.ArgumentParser(prog="support.counter.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("states", nargs="*", help="names of states; all without one")
    parser.add_argument("--screen", choices=tuple(SCREENS), action="append")
    given = parser.parse_args()
    states = tuple(state for state in STATES if not given.states or state.__name__ in given.states)
    asyncio.run(take(given.folder, states, tuple(given.screen or SCREENS)))


if __name__ == "__main__":
    main()
