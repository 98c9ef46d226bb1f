"""Receivers of alerts on this machine: an HTTP endpoint and a mail server, as small as can be."""

import base64
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HookSink(ThreadingHTTPServer):
    """An endpoint that keeps what is posted, and answers with ``status``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HookHandler)
        self.status = 200
        self.taken: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/services/s3cret-path"


class _HookHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, HookSink)
        if self.server.status == 200:
            self.server.taken.append(json.loads(body))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class MailSink(socketserver.ThreadingTCPServer):
    """A mail server that keeps its mails; with ``user`` it wants to be logged in to."""

    daemon_threads = True

    def __init__(self, user: str | None = None, password: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _MailHandler)
        self.token = None if user is None else f"\0{user}\0{password}"
        self.mails: list[EmailMessage] = []
        self.receivers: list[str] = []

    def handle_error(self, *_: Any) -> None:
        """Say nothing: some clients hang up, and a mail that is not taken is missed."""

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _MailHandler(socketserver.StreamRequestHandler):
    server: MailSink

    def handle(self) -> None:
        self._say("220 sink")
        is_in = self.server.token is None
        while line := self.rfile.readline().decode(errors="replace").strip():
            verb, _, rest = line.partition(" ")
            if verb.upper() == "EHLO":
                self._say("250-sink" if self.server.token else "250 sink")
                if self.server.token:
                    self._say("250 AUTH PLAIN")
            elif verb.upper() == "AUTH":
                is_in = base64.b64decode(rest.split()[1]).decode() == self.server.token
                self._say("235 in" if is_in else "535 no")
            elif verb.upper() == "QUIT":
                self._say("221 bye")
                return
            elif not is_in:
                self._say("530 log in first")
            elif verb.upper() == "DATA":
                self._take()
            elif verb.upper() in ("MAIL", "RCPT", "RSET"):
                if verb.upper() == "RCPT":
                    self.server.receivers.append(rest)
                self._say("250 ok")
            else:
                self._say("502 not here")

    def _take(self) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.server.mails.append(mail)
        self._say("250 taken")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    """Serve beside the test until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
