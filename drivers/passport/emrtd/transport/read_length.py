"""Length of the reads of one chip: as long as chip and reader allow, and shorter after errors.

Chips exist that fail at longer reads than 160 bytes, whatever they state (AndyQ/NFCPassportReader, issues 89
and 91), and readers that pass on short APDUs only (LudovicRousseau/PCSC, issues 11 and 54). Both show only
when they are tried, and the finding holds as long as the document lies there.
"""

from drivers.passport.chip_result import ReadLimit

SHORT_CHUNK = 0xDF
"""Most plain bytes in one answer: with secure messaging around them they still fit a short APDU."""
SAFE_CHUNK = 0xA0
"""Plain bytes of a read that no chip is known to fail at."""


class ReadLength:
    """Bytes of the next read, from `longest` down to SAFE_CHUNK.

    `longest` is what chip and reader state together, in bytes; `limit` the reason why it is not more.
    """

    def __init__(self, longest: int = SHORT_CHUNK, limit: ReadLimit = ReadLimit.CHIP) -> None:
        self._steps = [longest, *(size for size in (SHORT_CHUNK, SAFE_CHUNK) if size < longest)]
        self.limit = limit
        """Reason why reads are not longer."""
        self.in_flight: int | None = None
        """Bytes of the read that has no answer yet; None between reads."""
        self._longest_good = 0
        self._is_form_good = False
        """True when a command in extended form was answered."""
        self._was_lost = False
        self._refused: list[int] | None = None
        """Steps before the reader perhaps refused the extended form; None unless that is to be proved."""

    @property
    def longest(self) -> int:
        """Most bytes of the next read."""
        return self._steps[0]

    @property
    def is_extended(self) -> bool:
        """True if reads use APDUs in extended form."""
        return self.longest > SHORT_CHUNK

    def on_answer(self) -> None:
        """Note that the read in flight was answered."""
        self._longest_good = max(self._longest_good, self.in_flight or 0)
        self._is_form_good = self._is_form_good or self.is_extended
        self.in_flight = None
        if self._refused is not None:
            self._refused = None
            self.limit = ReadLimit.READER

    def step_down(self) -> bool:
        """Shorten the next reads after an error; return false when that would not help."""
        if self.in_flight is None or len(self._steps) == 1:
            return False
        if self.is_extended and not self._is_form_good:
            self._steps = self._short_steps()  # the form may be the reason, not the length
        elif self.in_flight <= SAFE_CHUNK:
            return False
        while len(self._steps) > 1 and self._steps[0] >= self.in_flight > SAFE_CHUNK:
            del self._steps[0]
        self._was_lost = False
        self.limit = ReadLimit.ERRORS
        return True

    def try_short(self) -> bool:
        """Give up the extended form, which the reader may have refused; return false when that is impossible.

        The next answer within the same session proves that it was the reader.
        """
        if not self.is_extended or self._is_form_good:
            return False
        self._refused, self._steps = self._steps, self._short_steps()
        return True

    def on_lost(self) -> None:
        """Note that the chip left the field.

        Reads become shorter at once when none of that length was ever answered, else at the second loss: a
        chip may lose the field at any length.
        """
        is_second, self._was_lost = self._was_lost, self._was_lost or self.in_flight is not None
        if self._refused is not None:
            # The short command got no answer either: the chip had left, or the long one was the cause.
            if is_second:
                self.limit = ReadLimit.ERRORS
            else:
                self._steps = self._refused
            self._refused = None
        elif self.in_flight is not None:
            unproved = self.in_flight > self._longest_good or (self.is_extended and not self._is_form_good)
            if unproved or is_second:
                self.step_down()
        self.in_flight = None

    def on_session_ended(self) -> bool:
        """Note that the chip ended the session at a read; return true if a new one may go further."""
        if self._refused is not None:
            # The long command did reach the chip, or the reader powered it up anew.
            self._refused, self.limit = None, ReadLimit.ERRORS
            may_help = True
        else:
            may_help = self.step_down()
        self.in_flight = None
        return may_help

    def _short_steps(self) -> list[int]:
        return [size for size in self._steps if size <= SHORT_CHUNK]
