"""A person as the engine sees them: slates with reasons and chances, what they did, and what is near them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dashboard.parts import html, numbers, words
from recsys.slates.rules import IN_WORDS
from recsys.surfaces.surface import surface

if TYPE_CHECKING:
    from recsys.engine.portrait import Act, NearItem, TitledSlate
    from recsys.slate import Place

DID = {
    "view": "looked at",
    "wishlist": "put on the wishlist",
    "cart": "put in the cart",
    "purchase": "bought",
    "gift": "gave away",
}


def slate(shown: "TitledSlate", titles: Mapping[str, str]) -> str:
    """The places of one surface from the first: what stands there, why, and with which chance."""
    places = shown.slate.places
    if not places:
        return html.line("Nothing may stand here: no item is for sale, of age, and not owned already.")
    ranked = any(place.chances for place in places)
    heads = ("Place", "Item", "Why", "Probability", *(("Click", "Purchase") if ranked else ()))
    head = "".join(f'<th scope="col">{html.text(name)}</th>' for name in heads)
    rows = "".join(_place(place, titles, ranked) for place in places)
    return f'<table class="plain slate"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{_legend(shown)}'


def past(acts: "Sequence[Act]") -> str:
    """What the person did, the latest first."""
    if not acts:
        return html.line("Nobody has seen this person. The surfaces show what is popular, and explore.")
    rows = "".join(
        f'<tr><th scope="row">{html.text(numbers.minute(act.time))}</th>'
        f"<td>{html.text(DID.get(act.action, act.action))}</td>"
        f"<td>{_item(act.item_id, act.title)}</td></tr>"
        for act in acts
    )
    return f'<table class="plain past"><tbody>{rows}</tbody></table>'


def near(found: "Sequence[NearItem]") -> str:
    """The nearest items, each with how near it is."""
    if not found:
        return html.line("No encoder was trained yet, so there is no space to be near in.")
    rows = "".join(
        f'<tr><th scope="row">{_item(each.item_id, each.title)}<small>{html.text(_kind(each))}</small></th>'
        f'<td class="drawn"><span class="share" style="width:{_width(each.cosine)}%"></span></td>'
        f'<td class="num">{numbers.number(each.cosine, 2)}</td></tr>'
        for each in found
    )
    head = '<th scope="col">Item</th><th scope="col">How near</th><th scope="col" class="num">Cosine</th>'
    return f'<table class="ways near"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _kind(each: "NearItem") -> str:
    return " · ".join(part for part in (words.plain(each.category), each.publisher) if part)


def about(shown: "TitledSlate") -> str:
    """What the surface was asked about, in words; empty where it is about nothing."""
    if not shown.about:
        return ""
    told = words.listed(list(shown.about[:3]))
    more = len(shown.about) - 3
    told = f"{told} and {more} more" if more > 0 else told
    return surface(shown.surface).about_in_words.format(told)


def _place(place: "Place", titles: Mapping[str, str], ranked: bool) -> str:
    chances = (
        "".join(f"<td>{_chance(place.chances.get(name))}</td>" for name in ("click", "purchase")) if ranked else ""
    )
    return (
        f'<tr><td>{place.position}</td><th scope="row">{_item(place.item_id, titles.get(place.item_id, ""))}</th>'
        f'<td class="why">{html.text(place.reason)}</td>'
        f"<td>{_chance(place.propensity)}<small>of {place.candidates:,} that could stand here</small></td>"
        f"{chances}</tr>"
    )


def _item(item_id: str, title: str) -> str:
    name = html.text(title or item_id)
    return f'<button type="button" data-event="item" data-value="{html.text(item_id)}">{name}</button>'


def _legend(shown: "TitledSlate") -> str:
    gave_way = "".join(f" A rule gave way: {IN_WORDS.get(name, name)}." for name in shown.slate.relaxed)
    return f'<p class="legend">Policy {html.text(shown.slate.policy)}.{html.text(gave_way)}</p>'


def _chance(value: float | None) -> str:
    if value is None:
        return "–"
    return numbers.percent(value, 0 if value >= 0.1 else 1 if value >= 0.001 else 2)


def _width(cosine: float) -> float:
    return round(100 * max(cosine, 0.0), 1)
