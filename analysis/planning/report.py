"""A plan as plain text, for a terminal."""

from analysis.planning.result import Answer, Forecast, Plan, Price
from analysis.readout.report import table
from analysis.words import percent

UNKNOWN = "–"


def as_text(plan: Plan) -> str:
    """The three numbers, each metric under each inference, weeks, the price of peeking, overlaps and warnings."""
    past = f"the {plan.days_of_past} days from {plan.start}" if plan.start else "the rows of the table"
    least = f"{_size(plan.lift)} is the least lift" if plan.lift is not None else "no lift"
    lines = [
        f"{plan.name} ({plan.experiment}), planned from {past}",
        "",
        f"  {least} that {plan.planned_units:,} planned units detect with power {plan.power:g}",
        f"  {_days(plan.days)} until they are in, with {_share(plan.share)} of the traffic",
    ]
    if plan.suggested_units is not None:
        asked = f"a lift of {_size(plan.effect)} and " if plan.effect is not None else ""
        lines.append(f"  {plan.suggested_units:,} units show {asked}every margin ({_days(plan.suggested_days)})")
    lines += ["", "Metrics"]
    for forecast in plan.metrics:
        lines += _metric(forecast)
    if plan.metrics and (weeks := plan.metrics[0].curve):
        lines += ["", f"Least lift of {plan.metrics[0].metric.name.lower()} by days, with all traffic"]
        kinds = tuple(weeks[0].lifts)
        header = ("days", "units", *map(_words, kinds))
        rows = [
            (f"{r.days}{'*' if r.extrapolated else ''}", f"{r.units:,}", *(_size(r.lifts[kind]) for kind in kinds))
            for r in weeks
        ]
        lines += [*table([header, *rows]), "  * beyond the days of the past"]
    header = ("", "looks", "wrong", "power", "width", "ends at", "units")
    lines += ["", "The price of peeking at these units", *table([header, *map(_price, plan.price)])]
    lines.append(
        "  wrong: concludes though nothing changed; ends at: mean share of the units, where the effect is there;"
    )
    lines.append("  width of the last interval and units for the same power, against an interval that is read once")
    if plan.overlaps:
        lines += ["", "Running experiments that may meet the same units"]
        lines += table(
            [
                (
                    o.name,
                    f"{100 * o.share:.0f}% of the units",
                    "same layer: never both" if o.same_layer else o.layer or "",
                )
                for o in plan.overlaps
            ]
        )
    if plan.warnings:
        lines += ["", "Note", *(f"  - {warning}" for warning in plan.warnings)]
    return "\n".join(lines)


def _metric(forecast: Forecast) -> list[str]:
    metric = forecast.metric
    value = UNKNOWN if forecast.value is None else f"{forecast.value * metric.scale:.5g} {metric.unit}".rstrip()
    saved = f", covariates save {100 * forecast.variance_reduction:.0f}%" if forecast.variance_reduction else ""
    cap = f", the cap cuts {100 * forecast.capped:.2g}% of units" if forecast.capped else ""
    lines = [f"  {metric.name} ({metric.role}): {value}{saved}{cap}"]
    if forecast.reason:
        return [*lines, f"    {forecast.reason}"]
    what = "margin" if metric.role == "guardrail" else "lift"
    header = ("", f"least {what}", f"power at {_size(forecast.effect)}", "units", "days")
    lines += [f"  {row}" for row in table([header, *map(_answer, forecast.answers)])]
    return lines + [f"    ! {warning}" for warning in forecast.warnings]


def _answer(answer: Answer) -> tuple[str, ...]:
    power = UNKNOWN if answer.power is None else f"{answer.power:.2f}"
    units = UNKNOWN if answer.units is None else f"{answer.units:,}"
    return _words(answer.inference), _size(answer.lift), power, units, _days(answer.days)


def _price(price: Price) -> tuple[str, ...]:
    return (
        price.rule,
        str(price.looks),
        f"{100 * price.false_positives:.1f}%",
        f"{price.power:.2f}",
        f"{price.width:.2f}x",
        f"{100 * price.expected_units:.0f}%",
        f"{price.needed_units:.2f}x" if price.valid else "not valid",
    )


def _words(inference: str) -> str:
    return inference.replace("_", " ")


def _size(lift: float | None) -> str:
    return UNKNOWN if lift is None else percent(lift).lstrip("+")


def _share(share: float | None) -> str:
    return "an unknown share" if share is None else f"{100 * share:.0f}%"


def _days(days: int | None) -> str:
    return UNKNOWN if days is None else f"{days} days"
