"""Reads one [[metrics]] table of an experiment file."""

import math
from dataclasses import replace
from typing import Any

from analysis.metrics import DIRECTIONS, KINDS, ROLES, Metric, Quantity
from analysis.variables import AGGREGATIONS, Aggregation, Cap, Variable
from store.toml_reader import Reader

EVENT_KEYS = ("aggregation", "where")


def parse_metric(table: Reader, source: str) -> Metric:
    """The metric that `table` states, for a source of kind `source` (table, events, moments or lake)."""
    id = table.text("id", '"some_id"')
    cls = KINDS[table.choice("kind", tuple(KINDS))]
    events = source in ("events", "lake")
    if (cls.awaits_window and not events) or (source == "moments" and not cls.additive):
        needs = "exposures and events" if cls.awaits_window else "rows"
        raise table.error("kind", f"found {cls.kind!r}, which needs {needs}; this source is a {source}.")
    outcome = _events_outcome(table, cls) if events else _table_outcome(table, cls)
    role = table.choice("role", ROLES, "secondary")
    margin = table.number("margin", "a relative margin such as 0.02 for 2 %", above=0, below=1, default=None)
    if role == "guardrail" and margin is None:
        raise table.error(
            "margin", "is missing; a guardrail needs the relative change that is still acceptable, margin = 0.02."
        )
    if role != "guardrail" and margin is not None:
        raise table.error("margin", 'works on guardrails only; write role = "guardrail", or leave it out.')
    metric = cls(
        id=id,
        name=table.text("name", default=id.replace("_", " ").capitalize()),
        outcome=outcome,
        role=role,
        direction=table.choice("direction", DIRECTIONS, "increase"),
        margin=margin,
        covariates=_covariates(table, cls, outcome, events, source),
        unit=table.text("unit", '"$"', ""),
        scale=float(table.number("scale", "a number above 0", above=0, default=1)),
        planned_error=table.number("planned_error", "a standard error above 0", above=0, default=None),
        surprise=float(table.number("surprise", "a lift too good to be true, 0.5 for 50 %", above=0, default=0.5)),
        **cls.settings(table),
    )
    if not events:
        for key in (*EVENT_KEYS, "window_days"):
            if key in table.content:
                raise table.error(
                    key,
                    f"works on events only; this source is a {source}. Aggregate the column before, or give "
                    "exposures and events.",
                )
    table.done()
    return metric


def _table_outcome(table: Reader, cls: type[Metric]) -> Quantity:
    numerator = _column(table, cls)
    content = _denominator_content(table, cls)
    if content is None:
        return Quantity(numerator)
    inner = table.inner("denominator", content)
    denominator = _column(inner, cls)
    inner.done()
    return Quantity(numerator, denominator)


def _column(table: Reader, cls: type[Metric]) -> Variable:
    return Variable(table.text("value", '"the column"'), cap=_cap(table, cls, events=False))


def _events_outcome(table: Reader, cls: type[Metric]) -> Quantity:
    if cls.awaits_window:
        start, days = _span(table)
        came = replace(_variable(table, cls, days), start=start, complete=True)
        return Quantity(came, Variable(None, "unit", days=days, start=start, complete=True))
    window = _days(table, "window_days")
    numerator = _variable(table, cls, window)
    content = _denominator_content(table, cls)
    if content is None:
        return Quantity(numerator)
    inner = table.inner("denominator", content)
    denominator = _variable(inner, cls, window)
    inner.done()
    return Quantity(numerator, denominator)


def _variable(table: Reader, cls: type[Metric], days: float | None) -> Variable:
    given = cls.aggregation or table.choice("aggregation", AGGREGATIONS, None)
    value = table.text("value", '"the column"', None)
    usual = cls.usual_aggregation
    aggregation: Aggregation = given or ("any" if usual == "any" else "count" if value is None else "sum")
    if value is None and aggregation in ("sum", "max", "each"):
        what, instead = (cls.kind, "") if cls.aggregation else (aggregation, ', or write aggregation = "count"')
        raise table.error("value", f"is missing; {what} needs a column of events{instead}.")
    where = table.take("where", dict, "{ column = value }", {})
    for column, wanted in where.items():
        if not isinstance(wanted, str | int | float | bool):
            raise table.error("where", f"{column} = {wanted!r}, expected a text, number or boolean to be equal to.")
    counted = value if aggregation != "count" else None
    return Variable(counted, aggregation, tuple(sorted(where.items())), days, cap=_cap(table, cls, events=True))


def _denominator_content(table: Reader, cls: type[Metric]) -> dict[str, Any] | None:
    content: dict[str, Any] | None = table.take("denominator", dict, '{ value = "column" }', None)
    if cls.takes_denominator and content is None:
        raise table.error("denominator", f'is missing; a {cls.kind} needs denominator = {{ value = "column" }}.')
    if not cls.takes_denominator and content is not None:
        raise table.error("denominator", f'is given, but the kind is {cls.kind!r}; write kind = "ratio".')
    return content


def _days(table: Reader, key: str) -> float | None:
    days: float | None = table.number(key, "a number of days above 0", above=0, below=36500, default=None)
    return None if days is None else float(days)


def _span(table: Reader) -> tuple[float, float]:
    what = "from and to, in days after first exposure: [7, 14]"
    days = table.take("window_days", list, what)
    if len(days) != 2 or not all(type(day) in (int, float) for day in days) or not 0 <= days[0] < days[1] < 36500:
        raise table.error("window_days", f"found {days!r}, expected {what}.")
    return float(days[0]), float(days[1])


def _cap(table: Reader, cls: type[Metric], *, events: bool) -> Cap | None:
    content = table.take("cap", dict, "{ quantile = 0.99 } or { value = 100 }", None)
    if content is None:
        return None
    if cls.binary or not cls.additive:
        why = "is already between 0 and 1" if cls.binary else "hardly moves with a few huge values"
        raise table.error("cap", f"is given, but a {cls.kind} {why}; leave it out.")
    inner = table.inner("cap", content)
    value = inner.number("value", "a number", above=-math.inf, default=None)
    quantile = inner.number("quantile", "a number between 0 and 1", above=0, below=1, default=None)
    days = _days(inner, "window_days") if events and quantile else None
    inner.done()
    if (value is None) == (quantile is None):
        raise table.error("cap", f"found {content!r}, expected one of {{ quantile = 0.99 }} and {{ value = 100 }}.")
    return Cap(value=None if value is None else float(value), quantile=quantile, days=days)


def _covariates(table: Reader, cls: type[Metric], outcome: Quantity, events: bool, source: str) -> tuple[Quantity, ...]:
    what = '["a column"]' + (" or { window_days = 14 }" if events else "")
    given = table.take("covariates", (list, dict), what, [])
    if given and source == "moments":
        raise table.error("covariates", "are given, but a moments source holds no covariates; leave them out.")
    if given and not cls.additive:
        raise table.error("covariates", f"are given, but a {cls.kind} takes none; leave them out.")
    if isinstance(given, dict):
        if not events:
            raise table.error("covariates", f"found {given!r}; a window needs events. Name columns instead, {what}.")
        inner = table.inner("covariates", given)
        days = _days(inner, "window_days")
        inner.done()
        if days is None:
            raise table.error("covariates", "has no window_days; write { window_days = 14 }.")
        return (Quantity(*(variable.before(days) for variable in outcome.variables if variable.aggregation != "unit")),)
    covariates = tuple(_covariate(table, entry, what) for entry in given)
    for covariate in covariates:
        if {v.value for v in covariate.variables} & {v.value for v in outcome.variables if v.aggregation is None}:
            raise table.error("covariates", f"holds {covariate.numerator.value!r}, which is the outcome itself.")
    return covariates


def _covariate(table: Reader, entry: Any, what: str) -> Quantity:
    """One entry: a column, or { value = …, denominator = … } for a ratio of two columns."""
    if isinstance(entry, str) and entry:
        return Quantity(Variable(entry))
    if not isinstance(entry, dict):
        raise table.error("covariates", f"holds {entry!r}, expected {what}.")
    inner = table.inner("covariates", entry)
    numerator, denominator = (Variable(inner.text(key, '"the column"')) for key in ("value", "denominator"))
    inner.done()
    return Quantity(numerator, denominator)
