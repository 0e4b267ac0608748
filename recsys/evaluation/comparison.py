"""Several heads on one data set, fitted within a budget, each seed anew; which one to serve is validation's word."""

import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

import numpy as np

from recsys.errors import BudgetError, HeadError
from recsys.evaluation.evaluate import Evaluation, evaluate
from recsys.evaluation.split import Split, StageName
from recsys.heads.head import Head, head
from recsys.measures.metrics import MeanOverUsers, Measure

# What the model to serve is chosen by.
CHOSEN_BY = Measure("ndcg", 10)


@dataclass(frozen=True, slots=True)
class Run:
    """One head fitted with one seed; CPU seconds of all its fitting, the choice of its settings included."""

    seed: int
    seconds: float
    validation: Evaluation
    test: Evaluation


@dataclass(frozen=True, slots=True)
class Result:
    """A head's runs, one a seed; none with the reason in `failed`."""

    name: str
    linear: bool
    runs: tuple[Run, ...] = ()
    failed: str = ""

    def estimate(self, measure: Measure, stage: StageName = "test") -> MeanOverUsers:
        """Of the run whose mean is the median of the seeds', the lower one of two, with that run's interval."""
        evaluations = [run.test if stage == "test" else run.validation for run in self.runs]
        found = sorted((each[measure] for each in evaluations), key=lambda each: each.mean)
        return found[(len(found) - 1) // 2]

    def sampled(self, measure: Measure) -> MeanOverUsers:
        """The same by ranking among the split's negatives."""
        found = sorted((MeanOverUsers.of(run.test.sampled[measure]) for run in self.runs), key=lambda each: each.mean)
        return found[(len(found) - 1) // 2]

    @property
    def seconds(self) -> float:
        """The median over seeds."""
        return statistics.median(run.seconds for run in self.runs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was found for every head, in the order in which they were asked for."""

    split: Split
    seeds: int
    results: tuple[Result, ...]

    @property
    def to_serve(self) -> Result | None:
        """The head with the best validation NDCG@10; None where none could be fitted."""
        return next(iter(self.by_validation), None)

    @property
    def by_validation(self) -> tuple[Result, ...]:
        """The heads that could be fitted, the best validation NDCG@10 first."""
        fitted = [result for result in self.results if result.runs]
        return tuple(sorted(fitted, key=lambda result: -result.estimate(CHOSEN_BY, "validation").mean))

    @property
    def lead(self) -> MeanOverUsers | None:
        """How far the head to serve is ahead of the next on the test of seed 0, user by user; None for fewer than two.

        Its interval is narrower than those of the two, which share their users.
        """
        if len(self.by_validation) < 2:
            return None
        first, second = (result.runs[0].test.values[CHOSEN_BY] for result in self.by_validation[:2])
        return MeanOverUsers.of(first - second)


def ahead(first: Result, second: Result, measure: Measure, times: float = 1.0) -> MeanOverUsers:
    """How far `first` is above `times` the value of `second` on the test, user by user, a user's mean over the seeds.

    The interval is over users: users whose next act is hard to find are so for both, and say nothing of the difference.
    A head that was fitted once stands against every fit of the other.
    """
    users, found = [], []
    for seed in range(max(len(first.runs), len(second.runs))):
        one, other = (each.runs[seed % len(each.runs)].test for each in (first, second))
        users.append(one.users)
        found.append(one.values[measure] - times * other.values[measure])
    place = np.unique(np.concatenate(users), return_inverse=True)[1]
    return MeanOverUsers.of(np.bincount(place, np.concatenate(found)) / np.bincount(place))


def compare(
    cut: Callable[[int], Split],
    names: Sequence[str],
    *,
    seeds: int = 1,
    seconds: float = 1800.0,
    progress: Callable[[str], None] = lambda message: None,
) -> Comparison:
    """Fits each head on train, judges it on validation, then on the test.

    Args:
        cut: the split that a seed draws; asked only for seed 0 where the split is not drawn.
        names: of the heads.
        seeds: how many; a head that is not random is fitted once on a split that is not drawn.
        seconds: of CPU that one head may fit, all its settings together; then it is stopped, and says so.
    """
    splits = [cut(0)]
    splits += [cut(seed) if splits[0].drawn else splits[0] for seed in range(1, seeds)]
    results = []
    for name in names:
        progress(f"{name}: fitting")
        results.append(_result(name, splits, seconds, progress))
    return Comparison(splits[0], seeds, tuple(results))


def _result(name: str, splits: Sequence[Split], seconds: float, progress: Callable[[str], None]) -> Result:
    kind, runs = head(name), list[Run]()
    once = not kind.random and not splits[0].drawn
    try:
        for seed, split in enumerate(splits[:1] if once else splits):
            runs.append(run(kind(), split, seed=seed, seconds=seconds, progress=progress))
            progress(f"{name}, seed {seed}: {CHOSEN_BY} {runs[-1].test[CHOSEN_BY].mean:.4f}, {runs[-1].seconds:.0f} s")
    except HeadError as error:
        return Result(name, kind.linear, failed=str(error))
    return Result(name, kind.linear, tuple(runs))


def run(
    fresh: Head,
    split: Split,
    *,
    seed: int = 0,
    seconds: float = 1800.0,
    progress: Callable[[str], None] = lambda message: None,
) -> Run:
    """Fits one head that is not fitted yet, with one seed, and judges it.

    Raises:
        HeadError: if the head cannot be fitted on these data, or not within `seconds` of CPU.
    """
    context, name, rng = split.context(seconds, progress), fresh.name, np.random.default_rng(seed)
    for need in fresh.needs:
        if getattr(context, need) is None:
            raise HeadError(f"{name} needs {need}, which these data do not have.")
    begun = time.process_time()
    with cpu_limit(seconds, name):
        fitted = fresh.fit(split.train, context, rng)
    spent = time.process_time() - begun
    validation = evaluate(fitted, split, "validation")
    if split.refit:
        begun, left = time.process_time(), max(seconds - spent, 1e-3)
        with cpu_limit(left, name):
            known = split.question("test").known
            fitted = fitted.refit(known, replace(context, validation=None, seconds=left), rng)
        spent += time.process_time() - begun
    return Run(seed, spent, validation, evaluate(fitted, split))


@contextmanager
def cpu_limit(seconds: float, name: str) -> Iterator[None]:
    """Raises BudgetError in the body once the process has spent that many CPU seconds in it.

    Only in the main thread, where signals arrive; elsewhere the body is not stopped. A call into a library ends first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    begun = time.process_time()

    def stop(number: int, frame: FrameType | None) -> None:
        left = seconds - (time.process_time() - begun)
        if left > 0:
            # The timer counts ticks of the clock: of a process that is often interrupted a fifth too many.
            signal.setitimer(signal.ITIMER_PROF, max(left, 1e-3))
            return
        raise BudgetError(f"{name} was stopped: it did not keep its budget of CPU time ({seconds:,.0f} s were left).")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
