"""Parts of an endless multipart answer (RFC 2046), as cameras send them."""


def part(boundary: str, media_type: str, data: bytes, *, name: str = "", with_length: bool = True) -> bytes:
    """Return one part with its boundary before it; without a length, it ends at the next one."""
    head = [f"--{boundary}"]
    if name:
        head.append(f'Content-Disposition: form-data; name="{name}"; filename="{name}"')
    head.append(f"Content-Type: {media_type}")
    if with_length:
        head.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*head, "", ""]).encode() + data + b"\r\n"
