"""The server library's server, which ends at once while nothing was promised to anybody yet."""

import os
from types import FrameType

import uvicorn


class Server(uvicorn.Server):
    """Told to stop before its engine is loaded it does not wait for it: a kill loses nothing then."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.started:
            os._exit(0)
        super().handle_exit(sig, frame)
