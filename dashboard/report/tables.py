"""Every table of a readout as plain numbers, for spreadsheets and notebooks."""

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from analysis.readout import Effect, Estimate, Look, Readout, Segment
from store.registry import DecisionRecord

Rows = list[dict[str, Any]]


def tables(readout: Readout, decisions: Sequence[DecisionRecord]) -> dict[str, Rows]:
    """The tables by name: effects at every look, and all that stands beside them."""
    looks = readout.looks
    return {
        "effects": [{"look": look.time, **_effect(effect)} for look in looks for effect in look.effects],
        "rules": [
            {"look": look.time, "metric": e.metric, "arm": e.arm, "rule": other.kind, **_ends("lift", other.relative)}
            for look in looks
            for e in look.effects
            for other in e.alternatives
        ],
        "posteriors": [
            {"look": look.time, "metric": e.metric, "arm": e.arm, **asdict(e.posterior)}
            for look in looks
            for e in look.effects
            if e.posterior and readout.design.inference == "bayesian"
        ],
        "stopped": [
            {
                "look": look.time,
                "metric": e.metric,
                "arm": e.arm,
                **_ends("lift", e.stopped.relative),
                "p_value": e.stopped.p_value,
            }
            for look in looks
            for e in look.effects
            if e.stopped
        ],
        "segments": [row for look in looks for row in _segments(look)],
        "checks": [
            {
                "look": look.time,
                "check": check.name,
                "verdict": check.verdict,
                "p_value": check.p_value,
                "value": check.value,
                "limit": check.limit,
                "reason": check.reason,
            }
            for look in looks
            for check in look.checks
        ],
        "splits": [
            {
                "look": look.time,
                "segment": _name(split.segment),
                "arm": arm,
                "units": units,
                "p_value": split.p_value,
                "sequential_p_value": split.sequential,
                "since": split.since,
            }
            for look in looks
            for split in look.splits
            for arm, units in split.units.items()
        ],
        "variations": [
            {
                "metric": each.metric,
                "arm": each.arm,
                "choice": each.choice,
                "name": each.name,
                **_ends("lift", each.relative),
                "reading": each.reading,
            }
            for each in readout.variations
        ],
        "learning": [
            {
                "metric": each.metric,
                "arm": each.arm,
                "days": each.window,
                "units_old": each.units_old,
                "units_new": each.units_new,
                **_ends("old", each.old),
                **_ends("new", each.new),
                **_ends("difference", each.difference),
                "p_value": each.p_value,
                "reading": each.reading,
                "reason": each.reason,
            }
            for each in readout.learning
        ],
        "friends": [
            {
                "metric": e.metric,
                "arm": e.arm,
                "contrast": e.contrast,
                "n_control": e.n.control,
                "n_treatment": e.n.treatment,
                "mean_control": e.means.control,
                "mean_treatment": e.means.treatment,
                **_ends("lift", e.relative),
                **_ends("difference", e.absolute),
                "p_value": e.p_value,
                "communities": e.communities,
                "left_out": e.left_out,
            }
            for e in (readout.network.effects if readout.network else ())
        ],
        "clusters": [asdict(each) for each in readout.clusters],
        "decisions": [
            {
                "decision": made.id,
                "look_id": made.look_id,
                "verdict": made.verdict,
                "recommended": made.recommended,
                "override": made.override,
                "reason": made.reason,
                "decided_by": made.decided_by,
                "decided_at": made.decided_at.isoformat(),
                "superseded_by": made.superseded_by,
            }
            for made in decisions
        ],
        "outcomes": [
            {**asdict(seen), "recorded_at": seen.recorded_at.isoformat()}
            for made in decisions
            for seen in made.outcomes
        ],
    }


def zipped(readout: Readout, decisions: Sequence[DecisionRecord]) -> bytes:
    """One CSV a table in one ZIP file; a table without rows is left out."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in tables(readout, decisions).items():
            if rows:
                archive.writestr(f"{name}.csv", _csv(rows))
    return file.getvalue()


def _csv(rows: Rows) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    return file.getvalue()


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula gets a quote before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _effect(effect: Effect) -> Mapping[str, Any]:
    family = effect.family
    return {
        "metric": effect.metric,
        "role": effect.role,
        "arm": effect.arm,
        "control": effect.control,
        "segment": _name(effect.segment),
        "n_control": effect.n.control,
        "n_treatment": effect.n.treatment,
        "mean_control": effect.means.control,
        "mean_treatment": effect.means.treatment,
        "rule": effect.interval.kind,
        **_ends("lift", effect.relative),
        **_ends("unadjusted_lift", effect.unadjusted.relative),
        **_ends("difference", effect.absolute),
        "p_value": effect.p_value,
        "family": family.name if family else None,
        "family_size": family.size if family else None,
        "family_p_value": family.p_value if family else None,
        **_ends("family_lift", family.relative if family else None),
        "reading": effect.reading,
        "reason": effect.reason,
    }


def _segments(look: Look) -> Rows:
    """The segments' effects with the intervals that hold for all of them together, and the tests of each dimension."""
    tests = {(test.metric, test.arm, test.dimension): test for test in look.interactions}
    rows = []
    for effect in look.effects:
        if effect.segment is None:
            continue
        test = tests.get((effect.metric, effect.arm, effect.segment.dimension))
        rows.append(
            {
                "look": look.time,
                "metric": effect.metric,
                "arm": effect.arm,
                "dimension": effect.segment.dimension,
                "value": effect.segment.value,
                "units": effect.n.total,
                **_ends("lift", effect.relative),
                **_ends("together", effect.simultaneous),
                "interaction_p_value": test.p_value if test else None,
                "interaction_adjusted": test.adjusted if test else None,
            }
        )
    return rows


def _ends(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    lower, upper = (estimate.lower, estimate.upper) if estimate else (None, None)
    return {name: estimate.estimate if estimate else None, f"{name}_lower": lower, f"{name}_upper": upper}


def _name(segment: Segment | None) -> str:
    return f"{segment.dimension}={segment.value}" if segment else ""
