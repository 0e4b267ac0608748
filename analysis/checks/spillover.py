"""Spillover: does the treatment reach control units through their friends?"""

from __future__ import annotations

from analysis.checks.subject import Subject, p_text
from analysis.readout import Check, Verdict
from analysis.readout.network import Network

LIMIT = 0.01
# With fewer, sums over communities are too few for a normal limit, which a sequence leans on.
ENOUGH_COMMUNITIES = 40


def check(subject: Subject) -> list[Check | None]:
    """Do control units whose friends are treated behave differently? Silent where that is what was designed for."""
    if subject.collected.neighbours is None or subject.experiment.cluster:
        return subject.at_last(None)
    return subject.at_last(_spillover(subject.network))


def _spillover(network: Network | None) -> Check:
    """From the slope of every primary metric (of all, if none is) over the share of friends treated.

    With Bonferroni's correction, by the rule of the network: where the experiment may be read at every look, so may
    this.
    """
    if network is None:
        reason = "too many friendships to find communities now: run `holdout communities` and import what it writes"
        return Check("spillover", "unknown", None, None, LIMIT, reason)
    doses = [effect for effect in network.effects if effect.contrast == "dose_untreated"]
    slopes = [effect for effect in doses if effect.role == "primary"] or doses
    known = [(e.p_value, e) for e in slopes if e.p_value is not None and e.communities >= ENOUGH_COMMUNITIES]
    if not known:
        reason = "too few control units have friends in the experiment to see whether an effect reaches others"
        return Check("spillover", "unknown", None, None, LIMIT, reason)
    p, worst = min(known, key=lambda pair: pair[0])
    corrected, relative = min(1.0, p * len(slopes)), worst.relative.estimate
    verdict: Verdict = "warn" if corrected < LIMIT else "pass"
    size = f" by {100 * relative:+.1f}%" if relative is not None else ""
    reason = (
        f"friends of treated units behave differently: {worst.metric} of control units changes{size} from no friend "
        f"treated to all ({p_text(corrected)}); the lift leaves that out, so randomise by community"
        if verdict == "warn"
        else f"no sign that friends of treated units behave differently ({p_text(corrected)}; {network.with_friends:,} "
        "units have friends in the experiment)"
    )
    return Check("spillover", verdict, corrected, relative, LIMIT, reason)
