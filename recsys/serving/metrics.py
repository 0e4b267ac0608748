"""What the server counts, in Prometheus' text format 0.0.4."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.012, 0.016, 0.024, 0.04, 0.08, 0.16, 0.5, 2.5)

Labels = tuple[str, ...]


def label(value: str) -> str:
    """A label's value as it stands between quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{label(each)}"' for key, each in labels.items())
    return f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}"


class Counter:
    """A number that only grows, one for each combination of labels."""

    def __init__(self, name: str, said: str, labels: Labels = ()) -> None:
        self.name, self.said, self.labels = name, said, labels
        self.values: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, *labels: str, by: float = 1) -> None:
        self.values[labels] = self.values.get(labels, 0) + by

    def lines(self) -> Iterable[str]:
        yield f"# HELP {self.name} {self.said}"
        yield f"# TYPE {self.name} counter"
        for values, count in list(self.values.items()):
            yield _line(self.name, dict(zip(self.labels, values, strict=True)), count)


class Histogram:
    """How often a number fell under each bound, one for each combination of labels."""

    def __init__(self, name: str, said: str, labels: Labels = (), bounds: Sequence[float] = SECONDS) -> None:
        self.name, self.said, self.labels, self.bounds = name, said, labels, tuple(bounds)
        self.counts: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}

    def observe(self, value: float, *labels: str) -> None:
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.counts[labels] = [0] * (len(self.bounds) + 1)
        counts[bisect_left(self.bounds, value)] += 1
        self.sums[labels] = self.sums.get(labels, 0.0) + value

    def lines(self) -> Iterable[str]:
        yield f"# HELP {self.name} {self.said}"
        yield f"# TYPE {self.name} histogram"
        for values, counts in list(self.counts.items()):
            labels, total = dict(zip(self.labels, values, strict=True)), 0
            for bound, count in zip((*map(repr, self.bounds), "+Inf"), counts, strict=True):
                total += count
                yield _line(f"{self.name}_bucket", {**labels, "le": bound}, total)
            yield _line(f"{self.name}_sum", labels, self.sums[values])
            yield _line(f"{self.name}_count", labels, total)


def reading(name: str, said: str, value: float, labels: Mapping[str, str] | None = None) -> Iterable[str]:
    """The lines of a number that is read at the moment of asking; by its name it is known whether it only grows."""
    kind = "counter" if name.endswith("_total") else "gauge"
    return (f"# HELP {name} {said}", f"# TYPE {name} {kind}", _line(name, labels or {}, value))


class Metrics:
    """Everything that is counted while the server runs."""

    def __init__(self) -> None:
        self.requests = Counter("holdout_requests_total", "Requests by route and status.", ("route", "status"))
        self.seconds = Histogram("holdout_request_seconds", "From the request's head to its answer.", ("route",))
        self.stages = Histogram("holdout_stage_seconds", "Where a recommendation's time goes.", ("stage",))
        self.slates = Counter("holdout_slates_total", "Slates served.", ("surface",))
        self.events = Counter("holdout_events_total", "Events that were new.")
        self.duplicates = Counter("holdout_duplicate_events_total", "Events whose event_id was known.")
        self.refused = Counter(
            "holdout_refused_connections_total", "Cut off: slow, malformed, or more than allowed.", ("reason",)
        )
        self.unobserved = Counter("holdout_unobserved_events_total", "Kept, but the engine failed to take them in.")

    def text(self, readings: Iterable[str]) -> str:
        """All of it, with what the caller read."""
        kept = (each for each in vars(self).values() if isinstance(each, Counter | Histogram))
        return "\n".join([*(line for each in kept for line in each.lines()), *readings, ""])
