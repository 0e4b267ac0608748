"""Readouts that look like real ones, built from the dataclasses: no analysis, no data, the same on every run."""

import math
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from analysis.readout import (
    Adjustment,
    Alternative,
    ArmDecision,
    Arms,
    Check,
    Decision,
    Design,
    Effect,
    EffectPair,
    Estimate,
    Interval,
    Look,
    MetricPlan,
    Readout,
    Segment,
)
from store import Workspace

START = datetime(2025, 10, 20, tzinfo=UTC)
PLANNED = 520_000
RULE = (
    "Ship when a primary metric is clearly better, none is clearly worse, every guardrail is within its margin "
    "and no check failed."
)
SEGMENTS = {
    "device": {"Phone": (0.52, 0.016), "Tablet": (0.1, 0.0), "Desktop": (0.38, -0.006)},
    "country": {"FR": (0.3, 0.0), "DE": (0.28, 0.002), "US": (0.37, 0.0), "GB": (0.05, -0.05)},
    "visitor": {"New": (0.22, -0.004), "Returning": (0.78, 0.002)},
}


@dataclass(frozen=True)
class Truth:
    """A metric with its true lift, the relative error of its lift at the planned size, and control's value."""

    plan: MetricPlan
    value: float
    lift: float
    error: float
    adjusted: bool = True


@dataclass(frozen=True)
class Story:
    """What a sample is about."""

    id: str
    name: str
    truths: tuple[Truth, ...]
    shares: dict[str, float] = field(default_factory=lambda: {"v6": 1, "v7": 1})
    looks: int = 28
    arrived: dict[str, float] | None = None
    extra: dict[str, float] = field(default_factory=dict)
    seed: int = 7
    owner: str | None = "R. Mehta"


def metric(id: str, name: str, role: str = "secondary", **fields: object) -> MetricPlan:
    """A plan with the usual values, unless told otherwise."""
    usual = {
        "kind": "mean",
        "direction": "increase",
        "margin": None,
        "unit": "",
        "scale": 1.0,
        "covariates": ("history",),
    }
    return MetricPlan(id=id, name=name, role=role, **{**usual, **fields})


REVENUE = metric("revenue", "Revenue per visitor", "primary", unit="$", scale=0.01)
LOAD = metric("load", "Page load p95", "guardrail", direction="decrease", margin=0.03, unit="ms")
RETURNS = metric("returns", "Return rate", "guardrail", kind="proportion", direction="decrease", margin=0.03)
MARGIN = metric("margin", "Margin per order", "guardrail", kind="ratio", margin=0.02, unit="$", scale=0.01)
CONVERSION = metric("conversion", "Conversion rate", kind="proportion")
ORDER = metric("order", "Average order value", kind="ratio", unit="$", scale=0.01)
CLICKS = metric("clicks", "Items per slate clicked", kind="count")


def truths(revenue: float, load: float = 0.012, clicks: float = 0.045) -> tuple[Truth, ...]:
    """The seven metrics of the sample shop."""
    return (
        Truth(REVENUE, 318.0, revenue, 0.0085),
        Truth(LOAD, 1204.0, load, 0.0042),
        Truth(RETURNS, 0.069, -0.014, 0.0105),
        Truth(MARGIN, 2140.0, -0.003, 0.0042),
        Truth(CONVERSION, 0.0412, 0.4 * revenue, 0.0085),
        Truth(ORDER, 7720.0, 0.006, 0.0068, adjusted=False),
        Truth(CLICKS, 0.84, clicks, 0.0075),
    )


STORIES = (
    Story("checkout-slate", "Slate ranker v7 vs v6", truths(0.034)),
    Story("free-returns", "Free returns banner", truths(0.003, clicks=0.004), seed=5, owner="L. Okafor"),
    Story("video-tiles", "Autoplay video tiles", truths(0.036, load=0.055), seed=3),
    Story(
        "ios-home",
        "New home on iOS",
        truths(0.03),
        arrived={"v6": 0.519, "v7": 0.481},
        owner="T. Ahmed",
        seed=9,
    ),
    Story(
        "mail-subjects",
        "Subject lines of the weekly mail",
        truths(0.0)[:1] + truths(0.0)[4:],
        shares={"Control": 2, "Question": 1, "Number": 1, "First name": 1},
        extra={"Question": 0.004, "Number": 0.042, "First name": -0.03},
        seed=11,
        owner=None,
    ),
    Story("winback-mail", "Win-back mail", truths(0.031)[:1] + truths(0.0)[4:5], looks=1, seed=2),
)


def readout(story: Story) -> Readout:
    """The whole course of a story."""
    control, *treatments = story.shares
    looks = tuple(_look(story, position, control, treatments) for position in range(story.looks))
    plans = tuple(truth.plan for truth in story.truths)
    design = Design(
        name=story.name,
        unit="visitor_id",
        control=control,
        shares=story.shares,
        alpha=0.05,
        inference="confidence_sequence" if story.looks > 1 else "fixed",
        planned_units=PLANNED,
        segments=tuple(SEGMENTS),
        metrics=plans,
        owner=story.owner,
        description=None,
        source="lake",
    )
    return Readout(story.id, design, looks, _decide(looks[-1], plans, treatments))


def with_nulls() -> Readout:
    """A readout whose metrics lack values in every way that can happen."""
    whole = readout(replace(STORIES[1], id="new-market", name="Launch in a new market", looks=6, seed=4))
    none = Estimate(None, None, None, None, "the control value is 0")
    open_end = "the control value is not clearly different from 0, so the lift has no bounds"

    def spoiled(effect: Effect) -> Effect:
        if effect.metric == "clicks":
            why = "no variance: every unit has the same value"
            pair = EffectPair(none, none)
            return replace(
                effect, relative=none, absolute=none, unadjusted=pair, reading="unknown", reason=why, p_value=None
            )
        if effect.metric == "order":
            unbounded = replace(effect.relative, lower=None, upper=None, reason=open_end)
            return replace(effect, relative=unbounded, reading="unknown", reason=open_end)
        if effect.metric == "conversion":
            return replace(effect, relative=replace(effect.relative, upper=None, reason=open_end))
        return effect

    looks = tuple(replace(look, effects=tuple(map(spoiled, look.effects))) for look in whole.looks)
    unknown = Check("pre_period_balance", "unknown", None, None, 0.001, "too few units to compare")
    looks = (*looks[:-1], replace(looks[-1], checks=(*looks[-1].checks[:1], unknown)))
    return replace(whole, looks=looks)


def fill(path: Path) -> Workspace:
    """A workspace with every sample saved as a look, and one experiment that has none."""
    workspace = Workspace.create(path, name="Sample shop")
    for made in [*map(readout, STORIES), with_nulls()]:
        design = made.design
        workspace.registry.save_experiment("", id=made.experiment, name=design.name, owner=design.owner)
        for upto in {len(made.looks) // 2 or 1, len(made.looks)}:
            part = replace(made, looks=made.looks[:upto])
            shown, history = part.split()
            workspace.registry.save_look(
                made.experiment,
                readout=shown,
                segment_history=history,
                verdict=made.decision.verdict,
                lake_versions={},
                taken_at=datetime.fromisoformat(part.looks[-1].time) if part.looks[-1].time else START,
            )
    workspace.registry.save_experiment("", id="gift-cards", name="Gift cards in the cart", owner="L. Okafor")
    return workspace


def _look(story: Story, position: int, control: str, treatments: list[str]) -> Look:
    t = (position + 1) / story.looks
    total = int(PLANNED * t * 0.9908)
    arrived = story.arrived or story.shares
    weight = sum(arrived.values())
    units = {arm: int(total * share / weight) for arm, share in arrived.items()}
    effects = []
    for arm in treatments:
        for truth in story.truths:
            effects.append(_effect(story, truth, arm, control, position, None, 1.0, units))
            if position == story.looks - 1:
                effects += [
                    _effect(story, truth, arm, control, position, Segment(dimension, value), share, units)
                    for dimension, values in SEGMENTS.items()
                    for value, (share, _) in values.items()
                ]
    time = (START + timedelta(days=position, hours=6, minutes=10)).isoformat() if story.looks > 1 else None
    return Look(time, units, _checks(story, units), tuple(effects))


def _effect(
    story: Story,
    truth: Truth,
    arm: str,
    control: str,
    position: int,
    segment: Segment | None,
    share: float,
    units: dict[str, int],
) -> Effect:
    t = (position + 1) / story.looks
    plan, error = truth.plan, truth.error / math.sqrt(t * share)
    gain = truth.lift + (story.extra.get(arm, 0.0) if plan.role == "primary" else 0.0)
    gain += SEGMENTS[segment.dimension][segment.value][1] if segment else 0.0
    spread = _path(f"{story.seed}{truth.plan.id}{arm}{segment}", position, story.looks) * error
    lift = gain + spread
    raw_error = error / 0.72 if truth.adjusted else error
    sequence = story.looks > 1
    wide = _widening(t * share) if sequence else 1.96
    n = Arms(int(units[control] * share), int(units[arm] * share))
    means = Arms(truth.value, truth.value * (1 + lift))
    relative = _interval(lift, error, wide)
    raw_lift = lift + 0.35 * spread if truth.adjusted else lift
    raw = EffectPair(
        _interval(raw_lift * truth.value, raw_error * truth.value, wide), _interval(raw_lift, raw_error, wide)
    )
    return Effect(
        metric=plan.id,
        role=plan.role,
        arm=arm,
        control=control,
        segment=segment,
        n=n,
        means=means,
        adjustment=Adjustment("pooled", plan.covariates, ((0.6,),), means) if truth.adjusted else None,
        absolute=_interval(lift * truth.value, error * truth.value, wide),
        relative=relative,
        unadjusted=raw,
        p_value=math.erfc(abs(lift) / error / math.sqrt(2)),
        interval=Interval("confidence_sequence" if sequence else "fixed", 0.95),
        variance_reduction=0.48 if truth.adjusted else None,
        reading=_reading(plan, relative),
        alternatives=(Alternative("fixed", _interval(lift, error, 1.96)),) if sequence and segment is None else (),
        simultaneous=_interval(lift, error, wide + 0.75) if segment else None,
    )


def _path(key: str, position: int, looks: int) -> float:
    """A standardised random walk that goes on from look to look."""
    draw = random.Random(key)
    steps = [draw.gauss(0, 0.7) for _ in range(looks)]
    return sum(steps[: position + 1]) / math.sqrt(position + 1)


def _widening(t: float) -> float:
    scale = 8.0 * t
    return math.sqrt((scale + 1) / scale * math.log((scale + 1) / 0.05**2))


def _interval(estimate: float, error: float, wide: float) -> Estimate:
    return Estimate(estimate, error, estimate - wide * error, estimate + wide * error)


def _reading(plan: MetricPlan, relative: Estimate) -> str:
    up = plan.direction == "increase"
    low, high = (relative.lower, relative.upper) if up else (-relative.upper, -relative.lower)
    if plan.role == "guardrail":
        if low > -plan.margin:
            return "within_margin"
        return "beyond_margin" if high < -plan.margin else "worse" if high < 0 else "unclear"
    return "better" if low > 0 else "worse" if high < 0 else "unclear"


def _checks(story: Story, units: dict[str, int]) -> tuple[Check, ...]:
    total = sum(units.values())
    text = " / ".join(f"{100 * n / total:.1f}" for n in units.values())
    if story.arrived:
        ratio = Check(
            "sample_ratio_sequential", "fail", 2e-7, None, 0.001, f"planned 50.0 / 50.0, arrived {text} (p < 0.001)"
        )
    else:
        ratio = Check("sample_ratio_sequential", "pass", 0.42, None, 0.001, f"planned as arrived, {text} (p = 0.42)")
    crossed = f"155 of {total:,} units were seen in two arms and are left out (0.03%)"
    late = story.id == "checkout-slate"
    hours = 31.0 if late else 2.0
    fresh = f"facts up to 16 Nov 2025 06:10 UTC, {hours:.0f} h behind what should be there"
    balance = "largest gap before exposure: history, |z| = 1.4 (p = 0.48 after correction for 3)"
    return (
        ratio,
        Check("crossover", "pass", None, 0.0003, 0.01, crossed),
        Check("pre_period_balance", "pass", 0.48, 1.4, 0.001, balance),
        Check("sample_size", "pass", None, float(min(units.values())), 1000.0, "the smallest arm has enough units"),
        Check("freshness", "warn" if late else "pass", None, hours, 24.0, fresh),
    )


def _decide(look: Look, plans: tuple[MetricPlan, ...], treatments: list[str]) -> Decision:
    failed = [check for check in look.checks if check.verdict == "fail"]
    if failed:
        reasons = tuple(f"Split: {check.reason}." for check in failed)
        return Decision("blocked", reasons, tuple(ArmDecision(arm, "blocked", reasons) for arm in treatments), RULE)
    arms = tuple(_decide_arm(look, plans, arm) for arm in treatments)
    order = ("ship", "review", "keep_running", "stop")
    best = min(arms, key=lambda each: order.index(each.verdict))
    return Decision(best.verdict, tuple(reason for each in arms for reason in each.reasons), arms, RULE)


def _decide_arm(look: Look, plans: tuple[MetricPlan, ...], arm: str) -> ArmDecision:
    readings = {e.metric: e.reading for e in look.effects if e.arm == arm and e.segment is None}
    first = readings[plans[0].id]
    guards = [readings[plan.id] for plan in plans if plan.role == "guardrail"]
    sentence = f"{plans[0].name}: {first}, by its interval."
    if first == "worse":
        return ArmDecision(arm, "stop", (sentence,), (f"{plans[0].name}: the interval of {arm} is on the bad side.",))
    if first == "better" and all(reading == "within_margin" for reading in guards):
        changes = tuple(f"{plan.name} of {arm}: it would not ship at its margin." for plan in plans if plan.margin)
        return ArmDecision(arm, "ship", (sentence,), changes)
    if first == "better":
        return ArmDecision(arm, "review", ("It wins, but a guardrail is beyond its margin.", sentence))
    return ArmDecision(arm, "keep_running", ("515,216 of 520,000 planned units are in.", sentence))
