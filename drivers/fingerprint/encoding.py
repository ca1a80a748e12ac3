"""Images as they are delivered: one attachment an encoding, its role being the encoding's name."""

import io
from collections.abc import Callable, Iterable

from PIL import Image

from drivers.fingerprint.observations import Encoding
from drivers.fingerprint.raster import Raster
from drivers.observation import Attachment


def attachments(raster: Raster, encodings: Iterable[Encoding]) -> tuple[Attachment, ...]:
    """The image in each of the encodings, once each; tens of milliseconds: call it in a thread."""
    return tuple(
        Attachment.of(str(encoding), media_type, encode(raster))
        for encoding in dict.fromkeys(encodings)
        for media_type, encode in (_ENCODERS[encoding],)
    )


def as_png(raster: Raster) -> bytes:
    """8-bit grey, with the resolution in its pHYs chunk."""
    return _saved(raster, "PNG", dpi=(raster.resolution_ppi, raster.resolution_ppi))


def as_wsq(raster: Raster) -> bytes:
    """WSQ at the library's bit rate of 0.75, the one for exchange: about one byte for ten pixels."""
    import wsq  # noqa: F401 - registers the format with Pillow

    return _saved(raster, "WSQ")


def _saved(raster: Raster, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(raster.pixels).save(file, name, **options)
    return file.getvalue()


_ENCODERS: dict[Encoding, tuple[str, Callable[[Raster], bytes]]] = {
    Encoding.PNG: ("image/png", as_png),
    Encoding.WSQ: ("image/x-wsq", as_wsq),
}
