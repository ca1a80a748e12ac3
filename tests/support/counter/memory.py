"""Traces of a traveller in a page: its heap, its document, its storage, and live object URLs."""

from typing import Any

from playwright.async_api import Page

COUNT_URLS = """
const made = URL.createObjectURL, dropped = URL.revokeObjectURL;
window.liveUrls = new Set();
URL.createObjectURL = (blob) => { const url = made.call(URL, blob); liveUrls.add(url); return url; };
URL.revokeObjectURL = (url) => { liveUrls.delete(url); dropped.call(URL, url); };
"""
"""Script that counts object URLs; before the page's own."""
STORED = """
async () => JSON.stringify({
    local: {...localStorage}, session: {...sessionStorage}, cookies: document.cookie,
    caches: await caches.keys(), databases: (await indexedDB.databases()).map(({name}) => name),
    title: document.title, address: location.href, history: history.length,
    workers: (await navigator.serviceWorker.getRegistrations()).length,
})
"""
TEXT = """
() => {
    const texts = [];
    const walk = (node) => {
        if (node.shadowRoot) walk(node.shadowRoot);
        for (const {name, value} of node.attributes ?? []) texts.push(`${name}=${value}`);
        if ("value" in node) texts.push(String(node.value));
        if (node.nodeType === Node.TEXT_NODE) texts.push(node.data);
        for (const child of node.childNodes) walk(child);
    };
    walk(document.documentElement);
    return texts.join("\\n");
}
"""


async def heap_of(page: Page) -> str:
    """Return the page's heap snapshot, after garbage collection."""
    session = await page.context.new_cdp_session(page)
    parts: list[str] = []
    session.on("HeapProfiler.addHeapSnapshotChunk", lambda chunk: parts.append(chunk["chunk"]))
    await session.send("HeapProfiler.enable")
    await session.send("HeapProfiler.collectGarbage")
    await session.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    await session.detach()
    return "".join(parts)


async def heap_bytes(page: Page) -> int:
    """Return the size of the page's heap in bytes, after garbage collection."""
    session = await page.context.new_cdp_session(page)
    await session.send("HeapProfiler.enable")
    await session.send("HeapProfiler.collectGarbage")
    usage: dict[str, Any] = await session.send("Runtime.getHeapUsage")
    await session.detach()
    return int(usage["usedSize"])


async def traces_in(page: Page, *marks: str) -> list[str]:
    """Return where any of the marks is found, and object URLs that are alive."""
    places = {
        "document": await page.evaluate(TEXT),
        "storage": await page.evaluate(STORED),
        "heap": await heap_of(page),
    }
    found = [f"{mark} in {place}" for place, text in places.items() for mark in marks if mark in text]
    live = await page.evaluate("liveUrls.size")
    return found + ([f"{live} object URLs"] if live else [])
