"""Answers CreateMultiple as the service does, with the ids. Usage: `python -m bench.engine.sink PORT`."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson


class Sink(BaseHTTPRequestHandler):
    """Reads the whole body and names the ids in it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        targets = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))["Targets"]
        body = orjson.dumps({"Ids": [row["accountid"] for row in targets]})
        self.send_response(200)
        self.send_header("Content-Type", "application/json; odata.metadata=minimal")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """nginx keeps the log."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
