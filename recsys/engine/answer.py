"""From composed arrays to slates: ids, chances where things stand, and reasons in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from recsys.catalogue import Catalogue
from recsys.engine.scoring import Scored
from recsys.engine.sources import SOURCE_NAMES, Asked, Found
from recsys.features.definitions import NAMES as FEATURES
from recsys.features.served import ServedLog
from recsys.ranking.ranker import Ranker
from recsys.slate import OUTCOMES, Place, Request, Slate
from recsys.slates.candidates import Composed
from recsys.slates.composer import relaxed_rules
from recsys.surfaces.surface import Surface, View, Why


@dataclass(frozen=True, slots=True)
class Answer:
    """Everything that was decided for requests of one surface; rows of all arrays are requests."""

    surface: Surface
    requests: Sequence[Request]
    asked: Asked
    found: Found
    view: View
    scored: Scored
    composed: Composed

    def slates(self, catalogue: Catalogue, ranker: Ranker | None, *, policy: str, model: str | None) -> list[Slate]:
        """One for each request, with the chances of what is shown at the place where it stands."""
        chances = self._chances(ranker)
        made = []
        for row, request in enumerate(self.requests):
            places = self._places(row, catalogue, None if chances is None else chances[row])
            relaxed = relaxed_rules(self.composed.relaxed[row])
            made.append(Slate(slate_id(request), request, policy, model, places, relaxed))
        return made

    def keep(self, slates: Sequence[Slate], log: ServedLog) -> None:
        """Keep what the ranker read of the items that are shown, of those slates that the log wants."""
        if self.scored.rows is None:
            return
        for row, slate in enumerate(slates):
            chosen = self.composed.chosen[row]
            read = self.scored.rows.features[self.scored.there[row, chosen[chosen >= 0]], : len(FEATURES)]
            items = [each.item_id for each in slate.places]
            log.add(slate.slate_id, slate.request.user_id, int(self.asked.time[row]), items, read)

    def _places(self, row: int, catalogue: Catalogue, chances: list[list[float]] | None) -> tuple[Place, ...]:
        composed = self.composed
        columns = composed.chosen[row][composed.chosen[row] >= 0]
        items, reasons = self.found.item[row, columns].tolist(), self._reasons(row, columns, catalogue)
        numbers = (composed.propensity, composed.score, composed.candidates)
        propensity, score, candidates = (array[row].tolist() for array in numbers)
        return tuple(
            Place(
                catalogue.ids[items[rank]],
                rank + 1,
                propensity[rank],
                score[rank],
                candidates[rank],
                {} if chances is None else dict(zip(OUTCOMES, chances[rank], strict=True)),
                reasons[rank],
            )
            for rank in range(len(items))
        )

    def _reasons(self, row: int, columns: NDArray[np.int64], catalogue: Catalogue) -> list[str]:
        found, view, known = self.found, self.view, bool((self.asked.history[row] >= 0).any())
        arrays = (found.source, found.partner, view.price, view.list_price, view.days_out, self.scored.friends)
        said = []
        for source, partner, *rest in zip(*(array[row, columns].tolist() for array in arrays), strict=True):
            name = SOURCE_NAMES[source]
            # Of somebody who did nothing yet, nothing is known that an item could be close to.
            name = "popular" if name == "taste" and not known else name
            said.append(self.surface.reason(Why(name, catalogue.title[partner] if partner >= 0 else "", *rest)))
        return said

    def _chances(self, ranker: Ranker | None) -> list[list[list[float]]] | None:
        """By request, place and outcome; None without a ranker."""
        if ranker is None or self.scored.rows is None:
            return None
        row, rank = np.nonzero(self.composed.chosen >= 0)
        chances = np.zeros((*self.composed.chosen.shape, len(OUTCOMES)))
        chosen = self.scored.there[row, self.composed.chosen[row, rank]]
        chances[row, rank] = self.scored.at(ranker, chosen, rank + 1)
        listed: list[list[list[float]]] = chances.tolist()
        return listed


def slate_id(request: Request) -> str:
    """Names the answer: the same request with the same seed has the same."""
    asked = (request.user_id, request.surface, request.time.isoformat(), *request.items, request.size, request.seed)
    return blake2b("\x1f".join(map(str, asked)).encode(), digest_size=12).hexdigest()
