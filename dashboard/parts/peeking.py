"""What peeking would have claimed: how many series were clear at some look, by each way to read them."""

from collections.abc import Mapping

from analysis.crossings import Count
from dashboard.parts import html, numbers, words

WAYS = {
    "naive": ("Fixed horizon, read at every look", "not valid: the more looks, the more false claims"),
    "once": ("Fixed horizon, read once", "valid at the look that was planned"),
    "confidence_sequence": ("Confidence sequence", "valid at every look"),
    "group_sequential": ("Group sequential", "valid at every planned analysis"),
    "family": ("The experiment’s own rule, corrected", "valid for all metrics of a family together"),
}
NEEDS = {
    "naive": "no interval in any look",
    "once": "no interval at the deciding look",
    "family": "no family of metrics declared",
}


def sentence(counts: Mapping[str, Count]) -> str:
    """The finding in words; empty without a series that has an interval."""
    naive, always = counts["naive"], counts["confidence_sequence"]
    if not naive.series:
        return ""
    said = (
        f"Had an interval that holds once been read at every look, {numbers.number(naive.crossed)} of "
        f"{words.count(naive.series, 'series')} would have been called clear of zero at some look."
    )
    if not always.series:
        return f"{said} No experiment states planned units, so no rule that allows peeking can be set beside it."
    among = "" if always.series == naive.series else f" of the {numbers.number(always.series)} that it can read"
    return f"{said} A rule that is valid at every look calls {numbers.number(always.crossed)}{among}."


def table(counts: Mapping[str, Count]) -> str:
    """One bar for each way to read."""
    most = max(count.series for count in counts.values())
    rows = "".join(_row(way, counts[way], most) for way in WAYS)
    return (
        '<table class="ways"><thead><tr><th scope="col">Way to read</th>'
        '<th scope="col"><span class="hidden">Share, drawn</span></th><th scope="col" class="num">Called clear</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
        '<p class="legend">A series is one metric of one treatment arm of one experiment, on all units together, at '
        "the latest saved look of each experiment.</p>"
    )


def _row(way: str, count: Count, most: int) -> str:
    name, holds = WAYS[way]
    head = f'<th scope="row">{html.text(name)}<small>{html.text(holds)}</small></th>'
    if not count.series:
        why = NEEDS.get(way, "no planned units in any experiment")
        return f'<tr>{head}<td></td><td class="num"><span class="why">{why}</span></td></tr>'
    share = 100 * count.crossed / count.series
    tone = " bad" if way == "naive" else ""
    bar = f'<span class="share{tone}" style="width:{100 * count.crossed / most:.2f}%"></span>'
    return (
        f'<tr>{head}<td class="drawn" aria-hidden="true">{bar}</td><td class="num"><b>{count.crossed:,}</b> of '
        f"{count.series:,}<small>{numbers.number(share)}%</small></td></tr>"
    )
