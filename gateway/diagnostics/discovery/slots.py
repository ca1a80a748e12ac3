"""Slots of the PC/SC service. Source: pcsc-lite, `SCardListReaders`."""

NOT_RUNNING = (
    "Slots for chips were not searched: the smart card service is not running. "
    "sudo systemctl enable --now pcscd.socket; if it is not installed: sudo apt install pcscd"
)
NOT_INSTALLED = "Slots for chips were not searched: the extra `chip` is not installed."


def list_slots() -> tuple[list[str], str]:
    """Return the names of all slots, and a sentence if they could not be searched, else an empty text."""
    try:
        from smartcard import scard
    except ImportError:
        return [], NOT_INSTALLED
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    if code != scard.SCARD_S_SUCCESS:
        return [], NOT_RUNNING
    try:
        _, names = scard.SCardListReaders(context, [])
        return list(names or ()), ""
    finally:
        scard.SCardReleaseContext(context)
