"""Reads one [[metrics]] table of an experiment file."""

import math
from typing import Any

from analysis.metrics import DIRECTIONS, KINDS, ROLES, Metric, Quantity
from analysis.toml_reader import Reader
from analysis.variables import AGGREGATIONS, Aggregation, Cap, Variable

EVENT_KEYS = ("aggregation", "where")


def parse_metric(table: Reader, source: str) -> Metric:
    """The metric that `table` states, for a source of kind `source` (table, events, moments or lake)."""
    id = table.text("id", '"some_id"')
    cls = KINDS[table.choice("kind", tuple(KINDS))]
    events = source in ("events", "lake")
    days = _days(table, "window_days") if events else None
    cap = _cap(table, cls)
    numerator = _variable(table, cls.usual_aggregation, days, cap) if events else _column(table, cap)
    outcome = Quantity(numerator, _denominator(table, cls, days) if events else _table_denominator(table, cls))
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
        covariates=_covariates(table, outcome, events, source),
        unit=table.text("unit", '"$"', ""),
        scale=float(table.number("scale", "a number above 0", above=0, default=1)),
        planned_error=table.number("planned_error", "a standard error above 0", above=0, default=None),
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


def _column(table: Reader, cap: Cap | None) -> Variable:
    return Variable(table.text("value", '"the column"'), cap=cap)


def _variable(table: Reader, usual: Aggregation, days: float | None, cap: Cap | None) -> Variable:
    given = table.choice("aggregation", AGGREGATIONS, None)
    value = table.text("value", '"the column"', None)
    aggregation: Aggregation = given or ("any" if usual == "any" else "count" if value is None else "sum")
    if value is None and aggregation in ("sum", "max"):
        raise table.error(
            "value", f'is missing; {aggregation} needs a column of events, or write aggregation = "count".'
        )
    where = table.take("where", dict, "{ column = value }", {})
    for column, wanted in where.items():
        if not isinstance(wanted, str | int | float | bool):
            raise table.error("where", f"{column} = {wanted!r}, expected a text, number or boolean to be equal to.")
    return Variable(value if aggregation != "count" else None, aggregation, tuple(sorted(where.items())), days, cap=cap)


def _denominator(table: Reader, cls: type[Metric], days: float | None) -> Variable | None:
    content = _denominator_content(table, cls)
    if content is None:
        return None
    inner = table.inner("denominator", content)
    variable = _variable(inner, "sum" if "value" in content else "count", days, None)
    inner.done()
    return variable


def _table_denominator(table: Reader, cls: type[Metric]) -> Variable | None:
    content = _denominator_content(table, cls)
    if content is None:
        return None
    inner = table.inner("denominator", content)
    variable = _column(inner, None)
    inner.done()
    return variable


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


def _cap(table: Reader, cls: type[Metric]) -> Cap | None:
    content = table.take("cap", dict, "{ quantile = 0.99 } or { value = 100 }", None)
    if content is None:
        return None
    if cls.binary:
        raise table.error("cap", f"is given, but a {cls.kind} is already between 0 and 1; leave it out.")
    inner = table.inner("cap", content)
    value = inner.number("value", "a number", above=-math.inf, default=None)
    quantile = inner.number("quantile", "a number between 0 and 1", above=0, below=1, default=None)
    inner.done()
    if (value is None) == (quantile is None):
        raise table.error("cap", f"found {content!r}, expected one of {{ quantile = 0.99 }} and {{ value = 100 }}.")
    return Cap(value=None if value is None else float(value), quantile=quantile)


def _covariates(table: Reader, outcome: Quantity, events: bool, source: str) -> tuple[Quantity, ...]:
    what = '["a column"]' + (" or { window_days = 14 }" if events else "")
    given = table.take("covariates", (list, dict), what, [])
    if given and source == "moments":
        raise table.error("covariates", "are given, but a moments source holds no covariates; leave them out.")
    if isinstance(given, dict):
        if not events:
            raise table.error("covariates", f"found {given!r}; a window needs events. Name columns instead, {what}.")
        inner = table.inner("covariates", given)
        days = _days(inner, "window_days")
        inner.done()
        if days is None:
            raise table.error("covariates", "has no window_days; write { window_days = 14 }.")
        return (Quantity(*(_before(variable, days) for variable in outcome.variables)),)
    covariates = tuple(_covariate(table, entry, what) for entry in given)
    for covariate in covariates:
        if {v.value for v in covariate.variables} & {v.value for v in outcome.variables if v.aggregation is None}:
            raise table.error("covariates", f"holds {covariate.numerator.value!r}, which is the outcome itself.")
    return covariates


def _before(variable: Variable, days: float) -> Variable:
    return Variable(variable.value, variable.aggregation, variable.where, days, pre=True, cap=variable.cap)


def _covariate(table: Reader, entry: Any, what: str) -> Quantity:
    """One entry: a column, or { value = …, denominator = … } for a ratio of two columns."""
    if isinstance(entry, str) and entry:
        return Quantity(Variable(entry))
    if not isinstance(entry, dict):
        raise table.error("covariates", f"holds {entry!r}, expected {what}.")
    inner = table.inner("covariates", entry)
    quantity = Quantity(_column(inner, None), Variable(inner.text("denominator", '"the column"')))
    inner.done()
    return quantity
