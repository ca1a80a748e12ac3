"""Any web server: the built counter page as static files, with settings of a test."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DIST = Path(__file__).parents[3] / "gateway/counter/dist"


class _Files(SimpleHTTPRequestHandler):
    """Files of the page; the settings are of the test."""

    def __init__(self, settings: Mapping[str, Any], asked: list[str], *given: Any, **more: Any) -> None:
        self.settings = settings
        self.asked = asked
        super().__init__(*given, directory=str(DIST), **more)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path != "/counter.json":
            super().do_GET()
            return
        body = json.dumps(self.settings).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def static_server(settings: Mapping[str, Any], asked: list[str]) -> Iterator[str]:
    """Serve the page; `asked` gets the path of every request. Yields its address."""
    if not (DIST / ".built").exists():
        raise FileNotFoundError("the counter page is not built: run `make counter`")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, settings, asked)) as server:
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
