"""Health checks: whether the numbers of a readout may be believed at all.

A check fails when the results must not be used, and warns when a person should look. Every check runs at every
look. The sample ratio that blocks is valid under repeated looking; the balance check is so where the inference is.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np

from analysis.collected import Collected
from analysis.effects import covariates_of, unadjusted_contrast
from analysis.experiment import Experiment
from analysis.metrics import KINDS, Metric
from analysis.metrics.metric import Array
from analysis.metrics.quantile import Quantile
from analysis.network.result import Network
from analysis.readout import Check, Verdict
from analysis.rules import Rules
from analysis.sample_ratio import CONCENTRATION, fixed_p_value, sequential_p_value

SAMPLE_RATIO_FIXED = 0.001
SAMPLE_RATIO_SEQUENTIAL = 0.01
SAMPLE_RATIO_NOTICE = 0.01
# Few units are left out, so a prior that expects small shifts would see nothing.
LOSS_CONCENTRATION = 100.0
CROSSOVER_WARN, CROSSOVER_FAIL = 0.01, 0.10
BALANCE_FAIL, BALANCE_WARN = 0.001, 0.01
SPILLOVER = 0.01
STALE = timedelta(hours=48)
# A confidence sequence and Welch's t lean on the central limit theorem: below these they are a promise, not a proof.
ENOUGH_UNITS = {"confidence_sequence": 500, "group_sequential": 500, "fixed": 100, "bayesian": 100}
# A cluster is a sum over many units, so fewer are enough; t with degrees of freedom of their own covers the rest.
ENOUGH_CLUSTERS = {"confidence_sequence": 50, "group_sequential": 50, "fixed": 20, "bayesian": 20}
# With fewer, sums over communities are too few for a normal limit, which a sequence leans on.
ENOUGH_COMMUNITIES = 40
ENOUGH_EVENTS = {"confidence_sequence": 50, "group_sequential": 50, "fixed": 10, "bayesian": 10}


def run_checks(
    experiment: Experiment, collected: Collected, rules: Rules, now: datetime | None, network: Network | None = None
) -> list[tuple[Check, ...]]:
    """The checks of every look, oldest first. `rules` are those of the experiment."""
    units = collected.moments.n[:, 0, :]
    shares = np.array([experiment.shares[arm] for arm in collected.arms])
    columns = [_sample_ratio(units, shares)]
    if len(units) > 1:
        columns.append(_sequential_sample_ratio(units, shares))
    columns.append(_crossover(experiment, units, collected.crossed, shares))
    balance = _balance(experiment, collected, rules)
    if balance:
        columns.append(balance)
    columns.append(_sample_size(experiment, collected, units))
    looks = [list(checks) for checks in zip(*columns, strict=True)]
    looks[-1].append(_freshness(experiment, collected, now))
    if collected.neighbours is not None and not experiment.cluster:
        looks[-1].append(_spillover(network))
    if collected.left_out:
        looks[-1].append(_other_arms(experiment, collected.left_out))
    return [tuple(checks) for checks in looks]


def _split(units: Array) -> str:
    total = units.sum()
    return " / ".join(f"{100 * n / total:.2f}" for n in units) if total else "no units"


def p_text(p: float) -> str:
    """A p-value for people: never 0."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _sample_ratio(units: Array, shares: Array) -> list[Check]:
    """Chi-square. It blocks only where there is one look; with more, the sequential test decides."""
    planned, once = _split(shares), len(units) == 1
    checks = []
    for counts, p in zip(units, fixed_p_value(units, shares), strict=True):
        if np.isnan(p):
            checks.append(Check("sample_ratio", "unknown", None, None, SAMPLE_RATIO_FIXED, "no units yet"))
            continue
        failing: Verdict = "fail" if once else "warn"
        verdict: Verdict = failing if p < SAMPLE_RATIO_FIXED else "warn" if p < SAMPLE_RATIO_NOTICE else "pass"
        reason = f"planned {planned}, arrived {_split(counts)} ({p_text(float(p))})"
        if not once:
            reason += "; valid at one look, so the sequential test decides"
        checks.append(Check("sample_ratio", verdict, float(p), None, SAMPLE_RATIO_FIXED, reason))
    return checks


def _sequential_sample_ratio(units: Array, shares: Array) -> list[Check]:
    planned, checks = _split(shares), []
    for counts, p in zip(units, sequential_p_value(units, shares), strict=True):
        verdict: Verdict = "fail" if p < SAMPLE_RATIO_SEQUENTIAL else "pass"
        reason = f"planned {planned}, arrived {_split(counts)} ({p_text(float(p))} over all looks)"
        checks.append(Check("sample_ratio_sequential", verdict, float(p), None, SAMPLE_RATIO_SEQUENTIAL, reason))
    return checks


def _crossover(experiment: Experiment, units: Array, crossed: Array, shares: Array) -> list[Check]:
    """Units seen in two arms: how many, and whether one arm has more of them than the other.

    Left out unevenly they bias the comparison. Kept in their first arm they only bring the arms nearer to each other.
    """
    left_out = experiment.crossovers == "exclude"
    everyone = units + crossed if left_out else units
    uneven, with_them = _p_values(crossed, shares, LOSS_CONCENTRATION), _p_values(everyone, shares, CONCENTRATION)
    checks = []
    for k, (all_, lost) in enumerate(zip(everyone, crossed, strict=True)):
        if all_.sum() == 0:
            checks.append(Check("crossover", "unknown", None, None, CROSSOVER_WARN, "no units yet"))
            continue
        p, share = float(uneven[k]), float(lost.sum() / all_.sum())
        biased = p < SAMPLE_RATIO_SEQUENTIAL
        fails = share > CROSSOVER_FAIL or (biased and left_out)
        verdict: Verdict = "fail" if fails else "warn" if share > CROSSOVER_WARN or biased else "pass"
        reason = (
            f"{lost.sum():,.0f} of {all_.sum():,.0f} {experiment.randomised} were seen in two arms and "
            f"{'are left out' if left_out else 'stay in their first'} ({100 * share:.2f}%)"
        )
        if left_out and lost.any():
            reason += f"; with them {_split(all_)} arrived ({p_text(float(with_them[k]))}), without {_split(units[k])}"
        if biased:
            harm = "leaving them out biases the comparison" if left_out else "one arm saw more of the other"
            reason += f"; by first arm {_split(lost)}, so {harm} ({p_text(p)})"
        checks.append(Check("crossover", verdict, p, share, CROSSOVER_WARN, reason))
    return checks


def _p_values(counts: Array, shares: Array, concentration: float) -> Array:
    """p-value, at each look, of counts by arm against the planned shares; 1 without any."""
    if len(counts) > 1:
        return sequential_p_value(counts, shares, concentration)
    return np.nan_to_num(fixed_p_value(counts, shares), nan=1.0)


def _balance(experiment: Experiment, collected: Collected, rules: Rules) -> list[Check]:
    """The covariate that differs most between arms before exposure, corrected for how many were compared."""
    covariates = {
        quantity: metric for metric in experiment.metrics for quantity in covariates_of(metric, collected.moments)
    }
    zs, ps, names = [], [], []
    for quantity, metric in covariates.items():
        first = quantity.numerator
        name = f"{metric.name} before exposure" if first.pre else first.name
        before = KINDS["mean"](id=name, name=name, outcome=quantity, role="secondary", direction="increase")
        for a, arm in enumerate(collected.arms[1:], start=1):
            contrast = unadjusted_contrast(before, collected.moments[:, 0, 0], collected.moments[:, 0, a])
            with np.errstate(divide="ignore", invalid="ignore"):
                z = contrast.difference / contrast.standard_error
            zs.append(z)
            ps.append(rules.at_any_look(arm).p_value(z, contrast.n_control + contrast.n_treatment, contrast.dof))
            names.append(name)
    if not zs:
        return []
    checks = []
    for z, p in zip(np.array(zs).T, np.array(ps).T, strict=True):
        if not np.isfinite(p).any():
            checks.append(Check("pre_period_balance", "unknown", None, None, BALANCE_FAIL, "too few units to compare"))
            continue
        worst = int(np.nanargmax(np.abs(z)))
        corrected = min(1.0, float(np.nanmin(p)) * len(p))
        verdict: Verdict = "fail" if corrected < BALANCE_FAIL else "warn" if corrected < BALANCE_WARN else "pass"
        reason = (
            f"largest gap: {names[worst]}, |z| = {abs(z[worst]):.1f} "
            f"({p_text(corrected)} after correction for {len(p)})"
        )
        checks.append(Check("pre_period_balance", verdict, corrected, float(abs(z[worst])), BALANCE_FAIL, reason))
    return checks


def _sample_size(experiment: Experiment, collected: Collected, units: Array) -> list[Check]:
    """Whether every arm has the units, and 0/1 and quantile metrics the events, that the intervals lean on."""
    limit = (ENOUGH_CLUSTERS if experiment.cluster else ENOUGH_UNITS)[experiment.inference]
    events_limit = ENOUGH_EVENTS[experiment.inference]
    carried = [metric for metric in experiment.metrics if metric.binary or isinstance(metric, Quantile)]
    checks = []
    for k, counts in enumerate(units):
        least = float(counts.min())
        verdict: Verdict = "pass" if least >= limit else "warn"
        reason = f"the smallest arm has {least:,.0f} {experiment.randomised}; the intervals lean on {limit:,} or more"
        check = Check("sample_size", verdict, None, least, float(limit), reason)
        for metric in carried:
            rare = float(_rarer(metric, collected, k, counts).min())
            if rare < events_limit and check.verdict == "pass":
                reason = f"{metric.name}: one arm has {rare:,.0f} events; the intervals lean on {events_limit} or more"
                check = Check("sample_size", "warn", None, rare, float(events_limit), reason)
        checks.append(check)
    return checks


def _rarer(metric: Metric, collected: Collected, k: int, counts: Array) -> Array:
    """Units with or without a 0/1 property, or on one side of a quantile, whichever are fewer, by arm."""
    if isinstance(metric, Quantile):
        return np.asarray(min(metric.quantile, 1 - metric.quantile) * collected.quantiles[metric.id].units[k, 0])
    mean = collected.moments.select(metric.outcome.variables).mean[k, 0]
    whole = mean[:, 1] if metric.outcome.denominator else 1.0
    return np.asarray(np.minimum(mean[:, 0], whole - mean[:, 0]) * counts)


def _freshness(experiment: Experiment, collected: Collected, now: datetime | None) -> Check:
    """Hours between the latest fact and the time it should reach: the end, now, or else the last exposure."""
    limit = STALE / timedelta(hours=1)
    times = [time for time in (collected.last_exposure, collected.last_event) if time is not None]
    if not times:
        return Check("freshness", "unknown", None, None, limit, "the source has no times")
    if now is None and collected.last_event is None:
        return Check("freshness", "pass", None, 0.0, limit, f"units up to {times[0]:%d %b %Y %H:%M} UTC")
    end = experiment.end and datetime(experiment.end.year, experiment.end.month, experiment.end.day, tzinfo=UTC)
    due = min(time for time in (now or collected.last_exposure, end) if time is not None)
    latest = collected.last_event or max(times)
    age = max(0.0, (due - latest) / timedelta(hours=1))
    verdict: Verdict = "warn" if age > limit else "pass"
    return Check(
        "freshness",
        verdict,
        None,
        age,
        limit,
        f"facts up to {latest:%d %b %Y %H:%M} UTC, {age:,.0f} h behind {_due(now, end, due)}",
    )


def _due(now: datetime | None, end: date | None, due: date) -> str:
    """What the facts are held against."""
    return "the end of the experiment" if due == end else "now" if now else "the last exposure"


def _other_arms(experiment: Experiment, left_out: dict[str, int]) -> Check:
    total = sum(left_out.values())
    arms = ", ".join(f"{arm} ({n:,})" for arm, n in left_out.items())
    reason = f"{experiment.randomised} of arms outside this comparison: {arms}"
    return Check("other_arms", "pass", None, float(total), None, reason)


def _spillover(network: Network | None) -> Check:
    """Whether control units whose friends are treated behave differently, where units were randomised.

    It rests on the slope of every primary metric (of all, if none is) over the share of friends treated, with
    Bonferroni's correction, by the rule of the network: where the experiment may be read at every look, so may this.
    """
    if network is None:
        reason = "too many friendships to find communities now: run `holdout communities` and import what it writes"
        return Check("spillover", "unknown", None, None, SPILLOVER, reason)
    doses = [effect for effect in network.effects if effect.contrast == "dose_untreated"]
    slopes = [effect for effect in doses if effect.role == "primary"] or doses
    known = [(e.p_value, e) for e in slopes if e.p_value is not None and e.communities >= ENOUGH_COMMUNITIES]
    if not known:
        reason = "too few control units have friends in the experiment to see whether an effect reaches others"
        return Check("spillover", "unknown", None, None, SPILLOVER, reason)
    p, worst = min(known, key=lambda pair: pair[0])
    corrected, relative = min(1.0, p * len(slopes)), worst.relative.estimate
    verdict: Verdict = "warn" if corrected < SPILLOVER else "pass"
    size = f" by {100 * relative:+.1f}%" if relative is not None else ""
    reason = (
        f"friends of treated units behave differently: {worst.metric} of control units changes{size} from no friend "
        f"treated to all ({p_text(corrected)}); the lift leaves that out, so randomise by community"
        if verdict == "warn"
        else f"no sign that friends of treated units behave differently ({p_text(corrected)}; {network.with_friends:,} "
        "units have friends in the experiment)"
    )
    return Check("spillover", verdict, corrected, relative, SPILLOVER, reason)
