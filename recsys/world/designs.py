"""The demo shop's experiments: what their treatments change, and what goes wrong in them."""

from dataclasses import dataclass

from recsys.world.offers import DEEP_DROP, Programme


@dataclass(frozen=True, slots=True)
class Change:
    """What a treatment does from first exposure on; the defaults change nothing.

    `ease` adds to the logarithm of what any item is worth, the others multiply: `wishes` the chance to note an item,
    `gifts` that of a gift, `refunds` that of a refund, `load` the milliseconds of a page.
    """

    ease: float = 0.0
    wishes: float = 1.0
    gifts: float = 1.0
    refunds: float = 1.0
    load: float = 1.0


@dataclass(frozen=True, slots=True)
class Loss:
    """Treated people on `platform` leave for good before their exposure is logged, from `day` (0 is the first) on."""

    platform: str
    day: int


@dataclass(frozen=True, slots=True)
class Design:
    """One experiment on everybody, half and half of people, or of their circles of friends where `by_circle`.

    Attributes:
        passed_on: what it changes for those whose friends are all treated, whatever their own arm; in proportion to the
            share of friends who are.
        offers: made to the treated when they visit on `weekdays` (0 is Monday), and withheld from the others.
        reach: the chance that a visit meets it.
    """

    id: str
    control: str
    treatment: str
    change: Change = Change()
    passed_on: Change = Change()
    offers: Programme | None = None
    weekdays: tuple[int, ...] = ()
    by_circle: bool = False
    reach: float = 0.8
    loss: Loss | None = None


DESIGNS = (
    Design("slate_ranker", "v6", "v7", Change(ease=0.1, wishes=1.06, load=1.006)),
    Design("wishlist_badge", "no badge", "badge"),
    Design(
        "deep_discount_drop",
        "usual drop",
        "deep drop",
        Change(refunds=1.6),
        offers=DEEP_DROP,
        weekdays=(3, 4),
    ),
    Design("checkout_redirect", "same page", "redirect", Change(ease=0.02, load=0.97), loss=Loss("phone", day=5)),
    Design("gift_reminder", "no reminder", "reminder", Change(ease=0.02, gifts=2.0)),
    Design(
        "group_buy_invite",
        "no invite",
        "invite",
        Change(wishes=1.35, ease=0.02),
        passed_on=Change(wishes=1.25),
        by_circle=True,
    ),
)
DAYS = 28
CROSSOVERS = 0.003
