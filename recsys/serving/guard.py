"""Keeps the server from harm: keys, rates, long or slow bodies, too many at once."""

import asyncio
import hmac
import time
from collections import OrderedDict
from hashlib import sha256
from typing import Any

from starlette.requests import ClientDisconnect, Request

from recsys.serving.problem import Problem
from recsys.serving.schema import parsed
from recsys.settings import ServingSettings

CALLERS = 10_000


class Rates:
    """A bucket of tokens for each caller: it fills with `rate` tokens a second up to twice as many, or to one."""

    def __init__(self, rate: float) -> None:
        self.rate, self.most = rate, max(2 * rate, 1.0)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, caller: str, now: float) -> float:
        """Take a token; 0 if there was one, else the seconds until there is."""
        tokens, then = self._buckets.pop(caller, (self.most, now))
        tokens = min(self.most, tokens + (now - then) * self.rate)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - allowed, now)
        if len(self._buckets) > CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) / self.rate


class Guard:
    """Lets a request in or says why not."""

    def __init__(self, settings: ServingSettings) -> None:
        self.settings = settings
        self.under_way = 0
        self._rates = Rates(settings.requests_per_second)

    def admit(self, request: Request) -> None:
        """Raises:
        Problem: 401 without a key that is known, 429 above the rate, 503 where too many are under way.
        """
        caller = self._known(request) if self.settings.api_keys_sha256 else _address(request)
        wait = self._rates.wait(caller, time.monotonic())
        if wait:
            limit = f"{self.settings.requests_per_second:g} requests a second"
            raise Problem(429, f"more than {limit}. Try again later.", headers={"Retry-After": str(1 + int(wait))})
        if self.under_way >= self.settings.at_once:
            raise Problem(503, "too many requests are under way. Try again later.", headers={"Retry-After": "1"})

    def _known(self, request: Request) -> str:
        """The digest of the caller's key."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        found = sha256(key.strip().encode("latin-1")).hexdigest() if scheme.lower() == "bearer" else ""
        # All are compared, so that the time taken says nothing.
        if not sum(hmac.compare_digest(found, each) for each in self.settings.api_keys_sha256):
            detail = "this workspace asks for a key. Send it as `Authorization: Bearer KEY`."
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        return found

    async def body(self, request: Request) -> Any:
        """The JSON that was sent.

        Raises:
            Problem: 415 where it is not called JSON, 413 where it is too long, 408 where it does not arrive in time.
            RequestError: if it is not JSON.
        """
        if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            raise Problem(415, "the body must come with content-type application/json.")
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self.settings.body_bytes:
            raise self._too_long()
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                return parsed(await self._read(request))
        except TimeoutError:
            raise Problem(408, f"the body did not arrive in {self.settings.body_seconds:g} s.") from None
        except ClientDisconnect:
            raise Problem(400, "the caller left before the body was there.") from None

    async def _read(self, request: Request) -> bytes:
        chunks, length = [], 0
        async for chunk in request.stream():
            length += len(chunk)
            if length > self.settings.body_bytes:
                raise self._too_long()
            chunks.append(chunk)
        return b"".join(chunks)

    def _too_long(self) -> Problem:
        return Problem(413, f"the body is longer than {self.settings.body_bytes:,} bytes. Send fewer events at once.")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
