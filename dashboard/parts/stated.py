"""What an experiment file states, in its own lines."""

import re
import tomllib

from analysis.readout import MetricPlan
from dashboard.parts import html, numbers, words


def lines(definition: str, metric: str) -> str:
    """The metric's own lines of an experiment file; empty where the file has none of this id."""
    for block in re.split(r"(?m)^(?=\[\[metrics\]\]|\[(?!\[?metrics))", definition):
        if block.startswith("[[metrics]]") and tomllib.loads(block)["metrics"][0].get("id") == metric:
            return block.strip()
    return ""


def in_words(plan: MetricPlan, unit: str) -> str:
    """What a metric is: "Primary metric, a mean per visitor; higher is better; adjusted for history."."""
    better = "higher" if plan.direction == "increase" else "lower"
    guard = f", within a margin of {numbers.percent(plan.margin)}" if plan.margin else ""
    adjusted = f"; adjusted for {words.listed(list(plan.covariates))}" if plan.covariates else ""
    per = f" per {unit}" if plan.kind in ("mean", "count") else ""
    return f"{plan.role.capitalize()} metric, a {plan.kind}{per}; {better} is better{guard}{adjusted}."


def entry(name: str, said: str, text: str, users: list[str]) -> str:
    """A metric of the registry: its name, what it is, who uses it, and its lines on request."""
    used = "".join(f"<p>{html.text(user)}</p>" for user in users)
    more = f"<details><summary>Its lines in the file</summary><pre>{html.text(text)}</pre></details>" if text else ""
    return (
        f'<li><div class="who"><b>{html.text(name)}</b></div><div class="what"><p>{html.text(said)}</p>'
        f'<div class="why">{used}</div>{more}</div></li>'
    )


def link(title: str, href: str, name: str) -> str:
    """A link to a page of the docs."""
    shown = html.text(title).replace("`", "")
    return f'<a href="{html.text(href)}" data-event="doc" data-value="{html.text(name)}">{shown}</a>'
