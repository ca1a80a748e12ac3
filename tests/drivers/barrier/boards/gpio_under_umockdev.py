"""Program with a GPIO board under umockdev's preload: a line of JSON in, a line of JSON out.

In: [what, argument...]; out: what came of it, or {"error": cause, "text": ..., "how": ...}.
"""

import asyncio
import contextlib
import dataclasses
import json
import sys
from typing import Any

from drivers import clock
from drivers.barrier.boards.gpio import GpioBoard, GpioBoardSettings
from drivers.barrier.gpio_barrier import GpioBarrier, GpioBarrierSettings
from drivers.barrier.observations import BarrierState
from drivers.command import CommandArguments, Invocation
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from simulators.links.umockdev_gpio import spare_descriptors


@dataclasses.dataclass
class Program:
    settings: dict[str, Any]
    links: LinkFactory = dataclasses.field(default_factory=LinkFactory)
    board: Any = None

    async def do(self, what: str, *arguments: Any) -> Any:
        match what:
            case "open":
                self.board = GpioBoard(GpioBoardSettings.model_validate(self.settings), self.links)
                return [(await self.board.open()).model, self.links.is_simulated]
            case "close":
                await self.board.close()
                await self.links.close()
                self.links = LinkFactory()
                return None
            case "barrier":  # the whole driver, until it says how it stands and is stopped once
                settings = GpioBarrierSettings.model_validate({"board": self.settings, **arguments[0]})
                driver = GpioBarrier(settings, self.links)
                self.board = driver  # closed like one
                await driver.open()
                async with contextlib.aclosing(driver.watch()) as watching:
                    state = next(said for said in [await anext(watching)] if isinstance(said, BarrierState))
                    call = Invocation("c1", "counter-1", "t1", clock.boot_ns() + 3_000_000_000)
                    return [state.state, (await driver.stop(CommandArguments(), call)).by_stop_contact]
            case _:
                return await getattr(self.board, what)(*arguments)


async def main() -> None:
    print(json.dumps(spare_descriptors()), flush=True)
    program = Program(json.loads(sys.argv[1]))
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        try:
            result = await program.do(*json.loads(line))
        except LinkError as error:
            result = {"error": error.cause, "text": error.text, "how": error.how}
        print(json.dumps(result), flush=True)


asyncio.run(main())
