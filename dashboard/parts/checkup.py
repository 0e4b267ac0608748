"""The health of an experiment in full: checks with what to do, where a split breaks, learning, clusters."""

from itertools import groupby

from analysis.readout import Check, Design, Learning, Readout, Split
from dashboard.parts import html, numbers, picks, words
from dashboard.parts.compare import Line, table
from dashboard.parts.words import Word

ADVICE = {
    "sample_ratio": "Find where units are lost before they are counted: a redirect, a crash, a filter, a changed "
    "rollout. Mend it and start again; units that it touched cannot be repaired. If it touched only some, such as one "
    "platform, the plan may leave those out of both arms (exclude).",
    "crossover": "Find how a unit meets a second arm: a shared device, a log-in after exposure, an assignment that "
    "moved.",
    "pre_period_balance": "Look at who was counted: a filter that uses what happened after exposure, or an arm that "
    "reused the units of an earlier experiment.",
    "sample_size": "Wait for more, or choose a metric that more of them have.",
    "freshness": "Import the missing facts and refresh; until then the last days are too low in every arm.",
    "logging_gaps": "Ask who sends the facts what happened on those days, import what is missing, and refresh. A gap "
    "in one arm is a reason to distrust that arm.",
    "surprise": "Recompute it from the raw facts for a few units, and look for doubled events or a changed metric.",
    "covariates": "Check that the covariate is from before exposure and means the same in every arm, or drop it.",
    "capping": "Read the metric without its cap as well: the Sensitivity tab has it.",
    "other_arms": "State them in the plan, or check that the source has only this experiment.",
    "spillover": "Randomise whole communities of friends, so that friends meet the same arm.",
}
LEARNED = {
    "novelty": Word("down", "wears off"),
    "primacy": Word("up", "grows"),
    "steady": Word("dot", "can’t tell yet"),
    "unknown": Word("none", "not known"),
}


def checks(readout: Readout) -> str:
    """Every check of the latest look, failures first: its question, number, limit, and what to do."""
    design = readout.design
    items = "".join(_check(check, design) for check in picks.checks(readout.looks[-1]))
    return f'<ul class="ledger">{items}</ul>' if items else html.line("No health check ran on this look.")


def _check(check: Check, design: Design) -> str:
    name, question = words.name_of(check, design)
    measured = " · ".join(html.text(part) for part in words.check_numbers(check, design) if part)
    todo = ""
    if check.verdict != "pass":
        key = next((key for key in ADVICE if check.name.startswith(key)), "")
        todo = f"<p><b>What to do:</b> {html.text(ADVICE[key])}</p>" if key else ""
    return (
        f'<li class="{check.verdict}"><div class="who"><b>{html.text(name)}</b>'
        f"{html.marked(words.CHECKS[check.verdict])}<small>{measured}</small></div>"
        f'<div class="what"><p>{html.text(words.reason_of(check, design))}.</p>{todo}'
        f"<small>{html.text(question)}</small></div></li>"
    )


def splits(readout: Readout) -> str:
    """How the units of every segment arrived, by dimension; the most suspicious segments first."""
    look, design = readout.looks[-1], readout.design
    if not look.splits:
        return html.line("The plan names no segment, so the split cannot be followed further.")
    said = ""
    for dimension, members in groupby(look.splits, key=lambda split: split.segment.dimension):
        rows = "".join(_split(split, design) for split in sorted(members, key=picks.suspicion))
        heads = (words.plain(dimension), "Arrived", words.sentence_case(words.units(design)), "Split test", "Bad since")
        head = "".join(f'<th scope="col">{html.text(name)}</th>' for name in heads)
        said += f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    planned = words.split(list(design.shares.values()))
    return (
        f'<div class="tables">{said}</div><p class="legend">Planned: {html.text(planned)}. '
        "p-values allow for the number of segments.</p>"
    )


def _split(split: Split, design: Design) -> str:
    p = picks.split_p(split)
    tested = "not tested" if p is None else numbers.p_value(p)
    since = numbers.last_day(split.since or split.first_bad)
    return (
        f'<tr><th scope="row">{html.text(words.plain(split.segment.value))}</th>'
        f"<td>{words.split([split.units.get(arm, 0) for arm in design.shares])}</td>"
        f"<td>{sum(split.units.values()):,}</td><td>{html.text(tested)}</td>"
        f"<td>{html.text(since or '–')}</td></tr>"
    )


def learning(readout: Readout, arm: str) -> str:
    """Whether the lift wears off or grows: those exposed for long against the newly exposed, in the same days."""
    plans = picks.plans(readout)
    found = [each for each in readout.learning if each.arm == arm and each.metric in plans]
    if not found:
        return html.line(
            "Not estimated: it compares people who joined early with people who joined late, in the same days, so it "
            "needs events and two weeks or more."
        )
    known = [each for each in found if each.difference.estimate is not None]
    groups = {f"{plans[each.metric].name}, {each.window}": _cohorts(each, readout) for each in known}
    blocked = readout.decision.verdict == "blocked"
    drawn = table(("Who", "How many", "Lift", "Reading"), groups, muted=blocked) if groups else ""
    unknown = [f"{plans[each.metric].name}: not estimated, {each.reason}." for each in found if each not in known]
    return drawn + "".join(map(html.line, unknown))


def _cohorts(each: Learning, readout: Readout) -> list[Line]:
    units = words.units(readout.design)
    return [
        Line("Exposed for long", each.old, beside=f"{each.units_old:,} {units}"),
        Line("Newly exposed", each.new, beside=f"{each.units_new:,} {units}"),
        Line(
            "Difference",
            each.difference,
            "early minus late",
            word=LEARNED[each.reading],
            after=each.reason or ("" if each.p_value is None else numbers.p_value(each.p_value)),
        ),
    ]


def clusters(readout: Readout, metric: str = "") -> str:
    """What randomising clusters costs each metric, or one; empty where units were randomised one by one."""
    plans = picks.plans(readout)
    found = [each for each in readout.clusters if each.metric == metric or not metric]
    if not found:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{html.text(plans[each.metric].name)}</th><td>{each.clusters:,}</td>'
        f"<td>{each.units:,}</td>"
        f"<td>{'–' if each.icc is None else numbers.number(each.icc, 3)}</td>"
        f"<td>{'–' if each.design_effect is None else f'{each.design_effect:.2f}'}</td></tr>"
        for each in found
    )
    heads = ("Metric", "Clusters", "Units", "Alike (ICC)", "Design effect")
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    return (
        f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        '<p class="legend">Design effect: the variance over what it would be had units been randomised one by one.</p>'
    )
