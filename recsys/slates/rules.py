"""What a slate must keep, and how freely it explores."""

from dataclasses import dataclass

from recsys.errors import EngineError


class SlateError(EngineError):
    """A rule, a policy or the candidates of a slate are not possible."""


# What gives way, in this order, at a place that nothing could fill otherwise.
RELAXATIONS = ("party", "row", "publisher")
IN_WORDS = {
    "party": "the least share of the shop's own or of others' items could not be kept",
    "row": "a publisher stands in more than one row",
    "publisher": "a publisher has more places than its most",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """Hard rules of a surface; a rule about publishers holds for third parties, as the shop is no publisher.

    Attributes:
        row: places in a row of the page; a publisher stands in one row of a slate only.
        per_publisher: the most places of a publisher in a slate.
        first_party: least share of the shop's own items among the first k places, rounded down, for each k.
        third_party: the same of other publishers' items; `1 - third_party` is the most that the shop's own get.
    """

    row: int = 6
    per_publisher: int = 3
    first_party: float = 0.0
    third_party: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("row", self.row), ("per_publisher", self.per_publisher)):
            if value < 1:
                raise SlateError(f"{name} == {value}, must be 1 or more.")
        for name, share in (("first_party", self.first_party), ("third_party", self.third_party)):
            if not 0 <= share <= 1:
                raise SlateError(f"{name} == {share}, must be in [0, 1]. It is a share of places.")
        if self.first_party + self.third_party > 1:
            raise SlateError(
                f"first_party + third_party == {self.first_party + self.third_party:g}, must be at most 1: "
                "both are least shares of the same places."
            )


@dataclass(frozen=True, slots=True)
class Exploration:
    """How a place is drawn: pi(a) = (1 - epsilon) softmax(s_a / temperature) + epsilon / n.

    s_a is the value in units of the spread between the quarters of the `top` best, less `diversity` times the
    largest cosine to an item that stands already; n is the number of candidates that could stand here, at most `top`.

    Attributes:
        epsilon: chance of a uniform draw, in (0, 1]; with `top` it gives the floor epsilon / top.
        temperature: above 0; near 0 the best is drawn whenever the draw is not uniform.
        top: at each place only so many of the best that the rules allow can be drawn.
        diversity: 0 takes no notice of likeness.
    """

    epsilon: float = 0.05
    temperature: float = 0.1
    top: int = 40
    diversity: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.epsilon <= 1:
            raise SlateError(f"epsilon == {self.epsilon}, must be in (0, 1]. Without it some propensities are 0.")
        if not self.temperature > 0:
            raise SlateError(f"temperature == {self.temperature}, must be above 0.")
        if self.top < 1:
            raise SlateError(f"top == {self.top}, must be 1 or more.")
        if not 0 <= self.diversity < float("inf"):
            raise SlateError(f"diversity == {self.diversity}, must be 0 or more.")

    @property
    def floor(self) -> float:
        """No propensity is below this."""
        return self.epsilon / self.top
