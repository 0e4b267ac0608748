"""The top of a readout: one grey line, and the card that says what to do and how sure we are."""

from analysis.readout import ArmDecision, Check, Effect, Look, MetricPlan, Readout
from dashboard.parts import html, numbers, picks, words

NEXT = {"ship": "Before you ship", "stop": "Why", "keep_running": "What would change this"}
# A slice is named only where its own split is clearly broken, after correction for the number of slices.
SLICE_LIMIT = 0.01
CAUSES = (
    "Usual causes: an arm that crashes or redirects before the exposure is logged, a filter that treats arms "
    "differently, or a rollout that changed while the experiment ran."
)


def summary_line(readout: Readout) -> str:
    """Key, unit, split, units, owner and how far the data reach."""
    design, look = readout.design, readout.looks[-1]
    done = sum(look.units.values())
    parts = [
        readout.experiment,
        f"by {words.unit(design)}",
        f"{words.split(list(design.shares.values()))} split",
        words.count(done, words.unit(design)),
        f"owner {design.owner}" if design.owner else "",
        f"data until {numbers.minute(look.time)}" if numbers.moment(look.time) else "",
    ]
    return f'<p class="line">{" · ".join(html.text(part) for part in parts if part)}</p>'


def card(readout: Readout, arm: str) -> str:
    """The decision on one arm, or why there is none."""
    decision = picks.decided(readout, arm)
    if decision.verdict == "blocked":
        return _blocked(readout, decision)
    look, plan, word = readout.looks[-1], picks.primary(readout), words.CALLS[decision.verdict]
    effect = picks.effect_of(look, plan.id, arm)
    return (
        f'<section class="card is-{_tone(readout, arm)}" aria-labelledby="verdict"><div class="main">'
        f'<h2 id="verdict">{html.icon(word.icon)}'
        f"{html.text(words.call(decision.verdict, arm, readout.design.control))}</h2>"
        f'<p class="say">{_sentences(effect, plan, look, arm)}</p>{_facts(readout, effect, plan, arm)}</div>'
        f'<div class="side">{_next(readout, arm)}</div></section>'
    )


def _tone(readout: Readout, arm: str) -> words.Tone:
    """The card's colour: stopping is only bad where something is clearly worse."""
    verdict = picks.decided(readout, arm).verdict
    tones = {words.READINGS[effect.reading].tone for effect in picks.overall(readout.looks[-1], arm)}
    return "bad" if verdict == "stop" and "bad" in tones else words.CALLS[verdict].tone


def _sentences(effect: Effect | None, plan: MetricPlan, look: Look, arm: str) -> str:
    if effect is None:
        return html.text(f"{plan.name} is not in this look, so nothing can be said.")
    first = html.bold(words.in_words(effect, plan), *_strong(effect))
    guards = words.guardrails([each for each in picks.overall(look, arm) if each.role == "guardrail"])
    return f"{first} {html.text(guards)}"


def _strong(effect: Effect) -> list[str]:
    """The lift and its interval as they occur in the sentence."""
    estimate = effect.relative
    if estimate.estimate is None:
        return []
    decimals = numbers.lift_decimals(estimate)
    clear = effect.reading in words.DECIDED
    shown = numbers.percent(abs(estimate.estimate), decimals) if clear else numbers.lift(estimate.estimate, decimals)
    return [shown, numbers.lift_span(estimate, decimals)]


def _facts(readout: Readout, effect: Effect | None, plan: MetricPlan, arm: str) -> str:
    if effect is None or effect.absolute.estimate is None:
        return ""
    noun, facts = words.member(readout), []
    absolute = effect.absolute
    ends = (absolute.lower, absolute.upper)

    def shown(label: str, times: float) -> tuple[str, str, str]:
        digits = numbers.change_decimals((*ends, absolute.estimate), plan, times)
        low, high = (None if end is None else numbers.change(end, plan, times, digits) for end in ends)
        best = numbers.change(absolute.estimate or 0.0, plan, times, digits)
        return label, best, numbers.span(low, high)

    of_units = plan.kind not in ("ratio", "quantile")
    facts.append(shown(f"Change per {noun}" if of_units else "Change", 1))
    if of_units:
        facts.append(shown(f"Per {words.count(1000, noun)}", 1000))
    facts.append(_since(readout, plan, arm))
    cells = "".join(
        f"<div><dt>{html.text(label)}</dt><dd>{html.text(value)}<small>{html.text(below)}</small></dd></div>"
        for label, value, below in facts
    )
    return f'<dl class="facts">{cells}</dl>'


def _since(readout: Readout, plan: MetricPlan, arm: str) -> tuple[str, str, str]:
    looks = picks.history(readout, plan.id, arm)
    since = picks.clear_since(looks)
    if since is None:
        return "Clear since", "Not yet", f"after {words.count(len(looks), 'look')}"
    time = looks[since][0].time
    place = f"look {since + 1} of {len(looks)}" if len(looks) > 1 else "the only look"
    return "Clear since", words.sentence_case(numbers.day(time)) if time else "This look", place


def _next(readout: Readout, arm: str) -> str:
    decision, look = picks.decided(readout, arm), readout.looks[-1]
    names = tuple(f"{plan.name}:" for plan in readout.design.metrics)
    # The reasons that repeat a metric's interval are left to the table below.
    items = [reason for reason in decision.reasons if not reason.startswith(names)]
    items += [note for note in readout.decision.notes if not note.startswith("Check ")]
    items += decision.changes[:3]
    for check in picks.checks(look):
        if check.verdict == "warn":
            items.append(f"{words.name_of(check, readout.design)[0]}: {check.reason}.")
    body = (
        html.bullets([words.named(item, readout.design) for item in items])
        or "<p>No check and no guardrail stands against it.</p>"
    )
    rule = f'<p class="rule">Rule: {html.text(readout.decision.rule)}</p>' if readout.decision.rule else ""
    return f"<h3>{NEXT.get(decision.verdict, 'What to weigh')}</h3>{body}{rule}"


def _blocked(readout: Readout, decision: ArmDecision) -> str:
    """Replaces the card when a check failed: which one, what arrived, and where to look."""
    failed = [check for check in picks.checks(readout.looks[-1]) if check.verdict == "fail"]
    split = any(_of_split(check) for check in failed)
    reasons = "".join(f'<p class="say">{_reason(readout, check)}</p>' for check in failed)
    mend = "".join(f'<p class="rule">{html.text(said)}</p>' for said in decision.changes)
    word = words.CALLS["blocked"]
    return (
        f'<section class="card stopped" aria-labelledby="verdict"><div class="main">'
        f'<h2 id="verdict">{html.icon(word.icon)}{html.text(word.text)}</h2>'
        f"{reasons or html.bullets(list(decision.reasons))}{_slices(readout) if split else ''}"
        f"{mend}</div>"
        f"{_arrived(readout) if split else ''}</section>"
    )


def _reason(readout: Readout, check: Check) -> str:
    design, units = readout.design, readout.looks[-1].units
    if not _of_split(check):
        name = words.name_of(check, design)[0]
        return html.bold(
            f"{name}: {words.named(check.reason, design)}. The lifts below may be wrong by any amount.", name
        )
    planned = words.split(list(design.shares.values()))
    arrived = words.split([units.get(arm, 0) for arm in design.shares])
    tested = f" ({numbers.p_value(check.p_value)}, limit {check.limit:g})" if check.p_value is not None else ""
    total = words.count(sum(units.values()), words.unit(design))
    return html.bold(
        f"The {planned} split arrived as {arrived} over {total}{tested}. Something treats the arms differently before "
        "anybody is counted, so the lifts below may be wrong by any amount.",
        arrived,
    )


def _of_split(check: Check) -> bool:
    return check.name.startswith("sample_ratio")


def _arrived(readout: Readout) -> str:
    """Planned and arrived share of each arm."""
    design, units = readout.design, readout.looks[-1].units
    planned, arrived = sum(design.shares.values()), sum(units.values()) or 1
    rows = "".join(
        f'<tr><th scope="row">{html.text(arm)}</th><td>{numbers.percent(share / planned)}</td>'
        f"<td>{numbers.percent(units.get(arm, 0) / arrived)}</td><td>{units.get(arm, 0):,}</td></tr>"
        for arm, share in design.shares.items()
    )
    return (
        '<div class="side"><table class="plain"><thead><tr><th scope="col">Arm</th><th scope="col">Planned</th>'
        f'<th scope="col">Arrived</th><th scope="col">{html.text(words.sentence_case(words.units(design)))}</th></tr>'
        f"</thead><tbody>{rows}</tbody></table><p class='rule'>{html.text(CAUSES)}</p></div>"
    )


def _slices(readout: Readout) -> str:
    """The dimension whose segments differ most from the plan, to find where the split breaks."""
    tested = [(p, split) for split in readout.looks[-1].splits if (p := picks.split_p(split)) is not None]
    lowest, worst = min(tested, key=lambda each: each[0], default=(1.0, None))
    if worst is None or lowest >= SLICE_LIMIT:
        return ""
    group = [(p, split) for p, split in tested if split.segment.dimension == worst.segment.dimension]
    rows = "".join(
        f'<tr><th scope="row">{html.text(words.plain(split.segment.value))}</th>'
        f"<td>{words.split([split.units.get(arm, 0) for arm in readout.design.shares])}</td>"
        f"<td>{sum(split.units.values()):,}</td><td>{html.text(numbers.p_value(p))}</td></tr>"
        for p, split in sorted(group, key=lambda each: picks.suspicion(each[1]))
    )
    heads = (worst.segment.dimension, "Arrived", words.units(readout.design), "Split test")
    head = "".join(f'<th scope="col">{html.text(words.plain(name))}</th>' for name in heads)
    return (
        '<table class="plain"><caption>Where it comes from</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )
