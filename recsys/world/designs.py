"""The demo shop's experiments: what their treatments change, and what goes wrong in them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """What a treatment multiplies from first exposure on; 1 changes nothing.

    `buys` is the chance that a visit ends in an order, `full_price` that an order pays the list price, `refunds`
    that an order is refunded, `wishlists` that a visit adds to the wishlist; `page_load` is milliseconds.
    """

    buys: float = 1.0
    full_price: float = 1.0
    refunds: float = 1.0
    wishlists: float = 1.0
    page_load: float = 1.0


@dataclass(frozen=True, slots=True)
class Loss:
    """Treated people on `platform` leave for good before their exposure is logged, from `day` (0 is the first) on."""

    platform: str
    day: int


@dataclass(frozen=True, slots=True)
class Design:
    """One experiment, 50/50 over its own people, or over their circles of friends where `by_circle`.

    Attributes:
        share: of everyone, together with the shares of the others.
        passed_on: what it changes for those whose friends are all treated, whatever their own arm; in proportion to the
            share of friends who are.
        reach: the chance that a visit meets it.
    """

    id: str
    control: str
    treatment: str
    share: float
    change: Change
    passed_on: Change = Change()
    by_circle: bool = False
    reach: float = 0.8
    loss: Loss | None = None


DESIGNS = (
    Design("slate_ranker", "v6", "v7", 0.38, Change(buys=1.14, wishlists=1.06, page_load=1.006)),
    Design("wishlist_badge", "no badge", "badge", 0.20, Change()),
    Design(
        "deep_discount_drop",
        "usual drop",
        "deep drop",
        0.22,
        Change(buys=1.25, full_price=0.64, refunds=1.6),
    ),
    Design(
        "checkout_redirect",
        "same page",
        "redirect",
        0.20,
        Change(buys=1.05, page_load=0.97),
        loss=Loss("phone", day=9),
    ),
    Design("gift_reminder", "no reminder", "reminder", 0.24, Change(buys=1.08, wishlists=1.05)),
    Design(
        "group_buy_invite",
        "no invite",
        "invite",
        0.29,
        Change(buys=1.06, wishlists=1.35),
        passed_on=Change(buys=1.03, wishlists=1.25),
        by_circle=True,
    ),
)
