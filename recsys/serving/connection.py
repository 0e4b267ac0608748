"""A connection that nobody can hold for ever: the server library has no deadline for requests that are still arriving.

What it does have is set in `process`: how long an idle connection is kept, how long an ending server waits. Who sends
a byte a second, or opens connections and says nothing, is met here.
"""

import asyncio
import sys
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from recsys.serving.metrics import Counter
from recsys.serving.problem import CONTENT_TYPE, Problem

# Refused connections that may be open besides, each until it has its answer; more are cut off without one.
REFUSED_AT_ONCE = 100
# So much longer than the guard waits for a body, so that it can say that it did not come.
GRACE_SECONDS = 1.0
FULL = Problem(503, "too many connections are open. Try again later.", headers={"Connection": "close"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a request may be on its way, and how many connections there may be.

    Attributes:
        head_seconds: from the connection, or the first byte of a later request, to the end of its head.
        body_seconds: from there to the end of the request, whether or not anybody reads the body.
        connections: above so many the one that was idle for longest is closed, or the new one refused with 503.
    """

    head_seconds: float = 10.0
    body_seconds: float = 5.0
    connections: int = 1000


class Connection(H11Protocol):
    """One connection to the server, HTTP/1.1; `limited` makes the class that uvicorn is given."""

    limits: ClassVar[Limits] = Limits()
    refused: ClassVar[Counter | None] = None
    _deadline: asyncio.TimerHandle | None = None
    # What the deadline is for: the state in which the caller's side was when it was set.
    _awaited: Any = None
    # Whether what comes now is not HTTP any more, and another protocol's.
    _handed_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await(h11.IDLE, self.limits.head_seconds)
        if len(self.connections) > self.limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._handed_over = True
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Called where the request is not HTTP: the parser's error says in which way."""
        status = getattr(sys.exception(), "error_status_hint", 400)
        self._refuse(status, f"this is no request that the server can read: {sys.exception() or msg}.", "malformed")

    def _watch(self) -> None:
        """Set the deadline of what the caller still owes, if anything."""
        state = self.conn.their_state
        if self.transport.is_closing() or self._handed_over:
            self._await(None)
        elif state is h11.SEND_BODY:
            self._await(state, self.limits.body_seconds + GRACE_SECONDS)
        elif state is h11.IDLE and self.timeout_keep_alive_task is None:
            self._await(state, self.limits.head_seconds)
        else:
            self._await(None)

    def _await(self, state: Any, seconds: float = 0.0) -> None:
        """A deadline is set once for each thing awaited: no byte that comes meanwhile puts it off."""
        if state is self._awaited:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        self._awaited = state
        self._deadline = None if state is None else self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        if self._awaited is h11.IDLE and not self.conn.trailing_data[0]:
            # Opened in advance, as browsers do, and never used: nothing was asked, and nothing is answered.
            self.transport.close()
        else:
            self._refuse(408, "the request did not arrive in time.", "slow")

    def _make_room(self) -> None:
        others = [each for each in self.connections if isinstance(each, Connection)]
        idle = [(timer.when(), each) for each in others if (timer := each.timeout_keep_alive_task) is not None]
        if idle:
            longest = min(idle, key=lambda pair: pair[0])[1]
            longest.timeout_keep_alive_handler()
            longest._unset_keepalive_if_required()
            return
        self._count("full")
        if len(self.connections) > self.limits.connections + REFUSED_AT_ONCE:
            self.transport.abort()
        self.app = FULL.response()

    def _refuse(self, status: int, detail: str, reason: str) -> None:
        """Say why, if nothing was said yet, and close."""
        self._count(reason)
        if self.cycle is not None and not self.cycle.response_complete:
            # Nobody is there any more for the answer that is being made.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        heard = self.transport.get_write_buffer_size() == 0
        if heard and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send_problem(status, detail)
            self.transport.close()
        else:
            self.transport.abort()

    def _send_problem(self, status: int, detail: str) -> None:
        problem = Problem(status, detail)
        body = problem.body()
        headers = [("content-type", CONTENT_TYPE), ("content-length", str(len(body))), ("connection", "close")]
        events = [
            h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        for event in events:
            self.transport.write(self.conn.send(event) or b"")

    def _count(self, reason: str) -> None:
        if self.refused is not None:
            self.refused.add(reason)


def limited(limits: Limits, refused: Counter) -> type[Connection]:
    """Connections with these limits; those that are refused are counted by the reason."""
    return type("LimitedConnection", (Connection,), {"limits": limits, "refused": refused})
