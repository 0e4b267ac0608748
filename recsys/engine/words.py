"""A slate told in words: what stands where, why, and how sure the policy was."""

from collections.abc import Mapping

from recsys.slate import Place, Slate
from recsys.slates.rules import IN_WORDS
from recsys.surfaces.surface import surface


def told(slate: Slate, titles: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence on the slate, one on every place, and one on each rule that gave way.

    Args:
        titles: of items, by id; an item without one goes by its id.
    """
    title = surface(slate.request.surface).title
    by = f"model {slate.model}" if slate.model else "no trained model"
    about = [titles.get(item) or item for item in slate.request.items]
    head = f"{title} for {slate.request.user_id}: {len(slate.places)} places, chosen by {slate.policy} with {by}"
    if about:
        head += f", about {', '.join(about)}"
    if not slate.places:
        head += "; nothing may be shown here"
    rules = (f"A rule gave way, as nothing else could stand there: {IN_WORDS[name]}." for name in slate.relaxed)
    return (f"{head}.", *(_place(place, titles) for place in slate.places), *rules)


def _place(place: Place, titles: Mapping[str, str]) -> str:
    said = f"{place.position}. {titles.get(place.item_id) or place.item_id}: {place.reason}."
    if place.chances:
        click, purchase = place.chances["click"], place.chances["purchase"]
        said += f" Expected: {_percent(click)} look at it, {_percent(purchase)} buy it."
    others = place.candidates - 1
    if not others:
        return f"{said} Nothing else could stand here."
    beside = f"{others} others" if others > 1 else "another"
    return f"{said} It had a chance of {_percent(place.propensity)} here, beside {beside}."


def _percent(share: float) -> str:
    """Two digits: 12 %, 1.3 %, 0.052 %."""
    return f"{float(f'{100 * share:.2g}'):g} %"
