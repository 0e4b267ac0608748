"""What `[serving]` in holdout.toml may say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from store.errors import WorkspaceError
from store.toml_reader import Reader


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """How the server keeps itself and others from harm.

    Attributes:
        api_keys_sha256: SHA-256 in hex of each key that is let in; none means that no key is asked for.
        requests_per_second: of one key, or of one address where no key is asked for; twice as many may come at once.
        connections: how many may be open; above that an idle one is closed, or a new one sent away with 503.
        head_seconds: how long a request's head may take to arrive.
        body_bytes: the longest body that is read.
        body_seconds: how long a body may take to arrive.
        at_once: how many requests may be under way; more are sent away with 503.
        drain_seconds: how often the journal is moved into the lake.
        log_features: the share of slates of which the features that the ranker read are kept.
    """

    api_keys_sha256: tuple[str, ...] = ()
    requests_per_second: float = 2000.0
    connections: int = 1000
    head_seconds: float = 10.0
    body_bytes: int = 1_000_000
    body_seconds: float = 5.0
    at_once: int = 64
    drain_seconds: float = 30.0
    log_features: float = 0.01

    @classmethod
    def read(cls, content: Mapping[str, Any], source: object = "holdout.toml") -> "ServingSettings":
        """The settings of a [serving] section.

        Raises:
            WorkspaceError: naming the key, what was found, and what was expected.
        """
        reader = Reader(source, "serving", dict(content), WorkspaceError)
        keys = reader.names("api_keys_sha256", "a list of SHA-256 in hex", ())
        for key in keys:
            if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
                raise reader.error("api_keys_sha256", f"found {key!r}, expected 64 digits of hex, of `sha256sum`.")
        settings = cls(
            api_keys_sha256=keys,
            requests_per_second=reader.number("requests_per_second", "a number above 0", above=0, default=2000.0),
            connections=int(
                reader.number("connections", "a whole number above 0", above=0.99, below=1e6, default=1000)
            ),
            head_seconds=reader.number("head_seconds", "seconds above 0", above=0, below=3600, default=10.0),
            body_bytes=int(
                reader.number("body_bytes", "from 1000 to 16000000", above=999, below=16e6 + 1, default=1e6)
            ),
            body_seconds=reader.number("body_seconds", "seconds above 0", above=0, below=3600, default=5.0),
            at_once=int(reader.number("at_once", "a whole number above 0", above=0.99, below=1e6, default=64)),
            drain_seconds=reader.number("drain_seconds", "seconds above 0", above=0, below=86_400, default=30.0),
            log_features=reader.number(
                "log_features", "a share from 0 to 1", above=-1e-9, below=1 + 1e-9, default=0.01
            ),
        )
        reader.done()
        return settings
