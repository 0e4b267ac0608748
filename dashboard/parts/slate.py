"""A person as the engine sees them: slates with reasons and chances, what they did, and what is near them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dashboard.parts import html, numbers, words
from recsys.slates.rules import IN_WORDS
from recsys.surfaces.surface import known_surfaces, surface

if TYPE_CHECKING:
    from recsys.engine.portrait import Act, NearItem, TitledSlate
    from recsys.slate import Place

NOBODY = "Nothing is known of what this person did: new, or misspelt. They see what is popular, and what is explored."
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
    chances = ("Chance to be shown", *(("Chance of a click", "Chance of a purchase") if ranked else ()))
    heads = (("place", "Place"), ("item", "Item"), ("why", "Why"), *(("chance", name) for name in chances))
    head = "".join(f'<th scope="col" class="{kind}">{name}</th>' for kind, name in heads)
    rows = "".join(_place(place, titles, ranked) for place in places)
    return f'<table class="plain slate"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{_legend(shown)}'


def past(acts: "Sequence[Act]") -> str:
    """What the person did, the latest first."""
    rows = "".join(
        f'<tr><th scope="row">{html.text(numbers.minute(act.time))}</th>'
        f"<td>{html.text(DID.get(act.action, act.action))}</td>"
        f"<td>{_item(act.item_id, act.title)}</td></tr>"
        for act in acts
    )
    return f'<table class="plain past"><tbody>{rows}</tbody></table>'


def near(found: "Sequence[NearItem]") -> str:
    """The nearest items, each with how alike it is."""
    if not found:
        return html.line("No encoder was trained yet, so there is no space to be near in.")
    rows = "".join(
        f'<tr><th scope="row">{_item(each.item_id, each.title)}<small>{html.text(_kind(each))}</small></th>'
        f'<td class="drawn"><span class="share" style="width:{_width(each.cosine)}%"></span></td>'
        f'<td class="num">{numbers.number(each.cosine, 2)}</td></tr>'
        for each in found
    )
    head = '<th scope="col">Item</th><th scope="col">How alike</th><th scope="col" class="num">Cosine</th>'
    return f'<table class="ways near"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _kind(each: "NearItem") -> str:
    return " · ".join(part for part in (words.plain(each.category), each.publisher) if part)


def absent(shown: "Sequence[TitledSlate]") -> str:
    """The surfaces that have nothing to go on for this person; empty where all have."""
    there = {each.surface for each in shown}
    missing = [each.title for name, each in sorted(known_surfaces().items()) if name not in there]
    return f"{words.listed(missing)}: nothing to show before this person has put something there." if missing else ""


def about(shown: "TitledSlate") -> str:
    """What the surface was asked about, in words; empty where it is about nothing."""
    if not shown.about:
        return ""
    told = words.listed(list(shown.about[:3]))
    more = len(shown.about) - 3
    told = f"{told} and {more} more" if more > 0 else told
    return surface(shown.surface).about_in_words.format(told)


def _place(place: "Place", titles: Mapping[str, str], ranked: bool) -> str:
    chances: dict[str, float | None] = {"shown": place.propensity}
    if ranked:
        chances |= {"clicked": place.chances.get("click"), "bought": place.chances.get("purchase")}
    cells = "".join(
        f'<td class="chance" data-label="{html.text(name)}">{_chance(value)}</td>' for name, value in chances.items()
    )
    return (
        f'<tr><td class="place">{place.position}</td>'
        f'<th scope="row">{_item(place.item_id, titles.get(place.item_id, ""))}</th>'
        f'<td class="why">{html.text(place.reason)}</td>{cells}</tr>'
    )


def _item(item_id: str, title: str) -> str:
    name = html.text(title or item_id)
    return f'<button type="button" data-event="item" data-value="{html.text(item_id)}">{name}</button>'


def _legend(shown: "TitledSlate") -> str:
    """From how many items each place was drawn, by which policy, and which rules gave way."""
    many = [place.candidates for place in shown.slate.places]
    drawn = f"{min(many):,}" if min(many) == max(many) else f"{min(many):,} to {max(many):,}"
    gave_way = "".join(f" A rule gave way: {IN_WORDS.get(name, name)}." for name in shown.slate.relaxed)
    said = f"Each place is drawn from {drawn} items that could stand there, by policy {shown.slate.policy}.{gave_way}"
    return f'<p class="legend">{html.text(said)}</p>'


def _chance(value: float | None) -> str:
    if value is None:
        return "–"
    return numbers.percent(value, 1 if value >= 0.001 else 2)


def _width(cosine: float) -> float:
    return round(100 * max(cosine, 0.0), 1)
