# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""An entry of the registry, its content, and a server that gives it well or badly."""

import contextlib
import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from astro_spectok.weights import WeightsEntry

CONTENT = bytes(np.random.default_rng(1).integers(0, 256, 50_000, dtype=np.uint8))
ENTRY = WeightsEntry(
    name="served",
    file="served.safetensors",
    size=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    urls=("http://localhost:9/never/served.safetensors",),
    wavelength_range=(3000, 9000),
)


class Handler(BaseHTTPRequestHandler):
    """Serves ``CONTENT`` well or badly, as the first folder of the address says."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.requests.append(self.path)
        if kind == "both":  # answers only once two clients have asked
            self.server.barrier.wait(timeout=30)
        if kind == "missing":
            self.send_error(404)
            return
        if kind == "flaky":
            kind = "short" if len(self.server.requests) == 1 else "good"
        body = {"altered": CONTENT[:-1] + b"!", "longer": CONTENT + b"!", "cut": CONTENT[:777], "short": CONTENT[:777]}
        body = body.get(kind, CONTENT)
        if kind == "reset":
            self.connection.close()
            return
        self.send_response(200)
        if kind not in ("cut", "endless", "drip"):
            self.send_header("Content-Length", str(len(CONTENT) if kind == "short" else len(body)))
        self.end_headers()
        if kind == "slow":
            self.server.stopping.wait(timeout=30)
        if kind in ("endless", "drip"):
            self.send_endlessly(b"x" * 4096 if kind == "endless" else b"x")
            return
        self.wfile.write(body)

    def send_endlessly(self, block):
        """Until the client goes away or the test ends; what was sent is counted."""
        with contextlib.suppress(OSError):
            while not self.server.stopping.wait(timeout=0.01 if len(block) == 1 else 0):
                self.wfile.write(block)
                self.server.sent += len(block)

    def log_message(self, *args):
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    """A local server that remembers what was asked of it."""

    daemon_threads = False  # so that leaving the server waits for its threads

    def handle_error(self, request, client_address):
        """A client that went away is part of the tests."""
