"""How many calls a worker makes at once, and who waits for a turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from .body import Gone
from .exchange import busy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Slots:
    """The places of a worker, used from its event loop only.

    Attributes:
        places (int): how many there are. free (int): how many nobody has.
        lost (int): how many are held by calls whose request was given up: their threads go on.
    """

    def __init__(self, places: int, queue: int, note: Any) -> None:
        """`note` is called with the numbers of those that wait and of lost places when one of them changes."""
        self.places = self.free = places
        self.lost = 0
        self._queue = queue
        self._note = note
        self._waiting: OrderedDict[asyncio.Future[bool], None] = OrderedDict()

    def try_take(self) -> bool:
        """Take a place if one is free."""
        if self.free:
            self.free -= 1
            return True
        return False

    async def wait(self, receive: Any) -> None:
        """Wait for a place and take it.

        Args:
            receive: the ASGI channel of a request whose body is read, to see when its client leaves; None where it is not to be touched.

        Raises:
            Refused: 503, too many wait already. Gone: the client left meanwhile; there is nobody to answer.
        """
        if len(self._waiting) >= self._queue:
            raise busy(f"{self.places} calls are under way and {len(self._waiting)} wait: try again")
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting[turn] = None
        self._note(len(self._waiting), self.lost)
        gone = None if receive is None else loop.create_task(_left(receive))
        if gone is not None:
            gone.add_done_callback(lambda _: None if turn.done() else turn.set_result(False))
        try:
            if not await turn:
                raise Gone
        except BaseException:
            self._waiting.pop(turn, None)
            if turn.done() and not turn.cancelled() and turn.exception() is None and turn.result():
                self.give_back()  # its turn came in the instant in which it gave up
            raise
        finally:
            if gone is not None:
                gone.cancel()
            self._note(len(self._waiting), self.lost)

    def give_back(self) -> None:
        """Somebody is done: the one who waited longest is next."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(True)
                return
        self.free += 1

    def lose(self, by: int) -> None:
        """A call goes on without its request (1), or such a call returned (-1)."""
        self.lost += by
        self._note(len(self._waiting), self.lost)

    def refuse_all(self) -> None:
        """Nobody who waits will get a place."""
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(busy("this worker is being replaced: try again"))
        self._waiting.clear()


async def _left(receive: Any) -> None:
    """Until the client is gone, which is all that can still come."""
    while (await receive())["type"] != "http.disconnect":
        pass
