"""Requests at random moments that do not wait for answers: what a shop's visitors do to a server.

A request's time counts from the moment at which it was due, so that a server that falls behind cannot hide it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Load:
    """What became of the requests: `seconds` in order of their moments, `late` how far behind they were sent."""

    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    stages: dict[str, list[float]] = field(default_factory=dict)
    length: int = 0

    def percentile(self, share: float) -> float:
        """Milliseconds."""
        return float(np.percentile(self.seconds, share)) * 1000


def request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def run(port: int, requests: Sequence[bytes], rate: float, rng: np.random.Generator) -> Load:
    """Sends `requests` to this machine with exponential gaps, `rate` a second on average."""
    return asyncio.run(_run(port, requests, np.cumsum(rng.exponential(1 / rate, len(requests)))))


async def _run(port: int, requests: Sequence[bytes], moments: np.ndarray) -> Load:
    load, idle = Load(), deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    load.seconds = [0.0] * len(requests)
    begun, tasks = time.perf_counter() + 0.05, []
    for place, (data, moment) in enumerate(zip(requests, moments, strict=True)):
        due = begun + float(moment)
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        load.late.append(time.perf_counter() - due)
        tasks.append(asyncio.create_task(_one(load, idle, port, data, (place, due))))
    await asyncio.gather(*tasks)
    for _, writer in idle:
        writer.close()
    return load


async def _one(
    load: Load,
    idle: "deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]]",
    port: int,
    data: bytes,
    when: tuple[int, float],
) -> None:
    reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    body = await reader.readexactly(int(headers["content-length"]))
    load.seconds[when[0]] = time.perf_counter() - when[1]
    idle.append((reader, writer))
    status = int(head.split()[1])
    load.statuses[status] = load.statuses.get(status, 0) + 1
    load.length += len(body)
    for part in headers.get("server-timing", "").split(", "):
        if ";dur=" in part:
            name, spent = part.split(";dur=")
            load.stages.setdefault(name, []).append(float(spent))
