"""A proof of trust as plain text, for a terminal."""

from analysis.readout.report import table
from analysis.trust.result import MetricTrust, Rate, RuleTrust, Trust

HEADER = ("", "arm", "", "wrong at any look", "wrong at the end", "true lift held", "width")


def as_text(trust: Trust) -> str:
    """What was drawn, each metric's rates under its rule and under peeking, and whether they keep the promise."""
    past = f"as they were {trust.days_back} days before" if trust.basis == "before" else "with outcomes as observed"
    looks = f"{trust.looks} looks, {trust.start[:10]} to {trust.end[:10]}" if trust.start and trust.end else "one look"
    lines = [
        f"{trust.name} ({trust.experiment}): the arms of {trust.units:,} units drawn {trust.runs:,} times",
        f"  units {past}; {looks}; {100 * (1 - trust.alpha):g}% {_words(trust.inference)}",
        "",
        *table([HEADER, *(_row(one, rule) for one in trust.metrics for rule in one.rules)]),
        "",
        *table([(one.metric.name, one.arm, one.verdict, one.reason) for one in trust.metrics]),
        "",
    ]
    if trust.family:
        lines.append(f"  Primary metrics together claimed a change where there was none in {_bounds(trust.family)}.")
    promised = f"{100 * trust.sample_ratio_promised:g}% may"
    lines.append(f"  The test of the sample ratio alarmed in {_bounds(trust.sample_ratio)}; {promised}.")
    return "\n".join([*lines, *(f"  {note}" for note in trust.notes)])


def _row(one: MetricTrust, rule: RuleTrust) -> tuple[str, ...]:
    wrong, end, held = map(_bounds, (rule.false_positive, rule.false_positive_at_end, rule.coverage))
    width = "–" if rule.width is None else f"{100 * rule.width:.2g}%"
    return one.metric.name, one.arm, _words(rule.rule), wrong, end, held, width


def _bounds(rate: Rate) -> str:
    return f"{100 * rate.share:.1f}% ({100 * rate.lower:.1f} to {100 * rate.upper:.1f})"


def _words(rule: str) -> str:
    return rule.replace("_", " ")
