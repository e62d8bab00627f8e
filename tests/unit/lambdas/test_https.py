"""Requests to the outside are over in time, go to nobody but the name that was meant, and tell nothing in errors."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trustme

from lambdas.adapters.https import LARGEST, Https, HttpsCall, NoReply

NAME = "processor.example"
CA = trustme.CA()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Server:
    """Answers each connection with `behave(connection)`, after TLS, or before it with `plain`."""

    behave: Callable[[socket.socket], object]
    certificate: trustme.LeafCert
    plain: bool = False
    requests: list[bytes] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def run(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.certificate.configure_cert(context)
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError):
                if not self.plain:
                    connection = context.wrap_socket(connection, server_side=True)
                    self.requests.append(received(connection))
                self.behave(connection)
            connection.close()


def received(connection):
    """A whole request: one that is not read to its end is cut off when the connection is closed."""
    request = connection.recv(65536)
    while request.startswith(b"POST") and not request.endswith(b"body"):
        request += connection.recv(65536)
    return request


@pytest.fixture
def server(monkeypatch):
    """Starts a server that has the name at port 443."""
    servers = []

    def start(behave, certificate=None, **options):
        made = Server(behave, certificate or CA.issue_cert(NAME), **options)
        servers.append(made)
        threading.Thread(target=made.run, daemon=True).start()
        ask = socket.getaddrinfo
        there = made.listener.getsockname()
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, __, *rest: ask(*there, *rest))
        return made

    yield start
    for made in servers:
        made.listener.close()


@pytest.fixture
def https():
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return Https(context)


def get(https, within=2_000, **headers):
    return https(HttpsCall("GET", NAME, "/x", headers), within)


def test_an_answer(server, https):
    asked = server(lambda connection: connection.sendall(OK))
    reply = https(HttpsCall("POST", NAME, "/x", {"Idempotency-Key": "k"}, b"body"), 2_000)
    assert (reply.status, reply.body) == (200, b"{}")
    (request,) = asked.requests
    assert request.startswith(b"POST /x HTTP/1.1\r\n")
    assert b"Host: processor.example\r\n" in request
    assert b"Idempotency-Key: k\r\n" in request


def test_a_redirect_is_not_followed(server, https):
    asked = server(lambda c: c.sendall(b"HTTP/1.1 307 X\r\nLocation: https://other/\r\nContent-Length: 0\r\n\r\n"))
    assert get(https).status == 307
    assert len(asked.requests) == 1


@pytest.mark.parametrize(
    "certificate",
    [lambda: CA.issue_cert("other.example"), lambda: trustme.CA().issue_cert(NAME)],
    ids=["another name", "another authority"],
)
def test_nobody_else_is_asked(server, https, certificate):
    asked = server(lambda connection: connection.sendall(OK), certificate())
    with pytest.raises(NoReply, match="SSLCertVerificationError"):
        get(https)
    assert asked.requests == []


def drip(connection):
    for byte in OK * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("behave", "plain"),
    [
        (lambda _: time.sleep(3), False),
        (lambda _: time.sleep(3), True),
        (drip, False),
        (lambda c: (c.sendall(OK[:-1]), time.sleep(3)), False),
    ],
    ids=["silent", "silent in TLS", "byte by byte", "unfinished"],
)
def test_it_is_over_in_time(server, https, behave, plain):
    server(behave, plain=plain)
    began = time.monotonic()
    with pytest.raises(NoReply):
        get(https, within=300)
    assert time.monotonic() - began < 1.5


def test_a_name_that_takes_long_to_look_up_is_over_in_time_and_asked_for_nothing_later(server, https, monkeypatch):
    """Lambda freezes what still runs when the function has answered: a charge must not go out when it wakes up."""
    asked = server(lambda connection: connection.sendall(OK))
    there, woke = socket.getaddrinfo, threading.Event()

    def late(*arguments):
        woke.wait(5)
        return there(*arguments)

    monkeypatch.setattr(socket, "getaddrinfo", late)
    began = time.monotonic()
    with pytest.raises(NoReply):
        get(https, within=200)
    assert time.monotonic() - began < 1.5
    woke.set()
    time.sleep(0.3)
    assert asked.requests in ([], [b""])


@pytest.mark.parametrize(
    "behave",
    [
        lambda c: None,
        lambda c: c.sendall(b"nonsense\r\n\r\n"),
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST + 1) + b"x" * (LARGEST + 1)),
        lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
    ],
    ids=["cut off", "no HTTP", "shorter than it says", "too long", "too many headers"],
)
def test_what_is_no_whole_answer_is_none(server, https, behave):
    server(behave)
    with pytest.raises(NoReply):
        get(https)


def test_a_closed_port_and_an_unknown_name_are_no_answer(https, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        there = closed.getsockname()
    ask = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, __, *rest: ask(*there, *rest))
    with pytest.raises(NoReply, match="ConnectionRefusedError"):
        get(https)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: (_ for _ in ()).throw(socket.gaierror(-2, "unknown")))
    with pytest.raises(NoReply, match="gaierror"):
        get(https)


def test_errors_tell_no_header(server, https):
    server(lambda connection: connection.sendall(OK))
    with pytest.raises(NoReply) as caught:
        get(https, Authorization="secret\nx")
    assert "secret" not in str(caught.value)
