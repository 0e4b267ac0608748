"""Implicit alternating least squares: users and items as vectors whose product says who acts on what."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from recsys.heads.algebra import signals
from recsys.heads.choice import quality, sample
from recsys.heads.head import Context, Head
from recsys.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, slots=True)
class AlsSettings:
    """What the fit is asked for.

    Attributes:
        unobserved: the weight of a cell without an act; one with an act weighs 1.
        penalty: of the squared vectors, times the weight of all cells of the user or item.
        others: how much an act that is not of the target action weighs.
    """

    factors: int = 64
    unobserved: float = 0.03
    penalty: float = 0.03
    rounds: int = 12
    others: float = 0.3


# Each but the third was the best of eight or more on the validation acts of LastFM (LightGCN's split), LastFM HetRec,
# Gowalla and Video Games (the fourth), or Tmall (the last). The more items there are, the less a cell without an act
# may weigh: their sum is what the acts stand against.
TRIED = (
    AlsSettings(),
    AlsSettings(penalty=0.01),
    AlsSettings(unobserved=0.1, penalty=0.003),
    AlsSettings(unobserved=0.01, penalty=0.01),
    AlsSettings(unobserved=0.003),
)


class Als(Head, name="als"):
    """Least squares on 1 where a user acted and 0 elsewhere, each cell weighted, solved for users and items in turn.

    Source: Hu, Koren and Volinsky, ICDM 2008; the penalty grows with the weight of a user's or item's cells as in
    Rendle et al., RecSys 2022, equation 5 with exponent 1.
    """

    def __init__(self, settings: AlsSettings | None = None) -> None:
        self.settings = settings or TRIED[0]
        self._tried = (settings,) if settings else TRIED

    def fit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        if context.validation is not None and len(self._tried) > 1:
            self.settings = self._choose(data, context, rng)
        return self.refit(data, context, rng)

    def _choose(self, data: Interactions, context: Context, rng: np.random.Generator) -> AlsSettings:
        """The one of the settings that ranks validation best after a third of the rounds."""
        question, found = sample(data, context), dict[AlsSettings, float]()
        for settings in self._tried:
            short = Als(replace(settings, rounds=settings.rounds // 3)).refit(data, context, rng)
            found[settings] = quality(short, question)
            context.progress(f"als: {settings}: validation NDCG@20 {found[settings]:.4f}")
        return max(found, key=lambda settings: found[settings])

    def refit(self, data: Interactions, context: Context, rng: np.random.Generator) -> Self:
        settings = self.settings
        weights = signals(data, context.target, settings.others).tocsr()
        across = weights.T.tocsr()
        items = rng.normal(0, 0.1 / settings.factors**0.5, (weights.shape[1], settings.factors)).astype(np.float32)
        users = np.empty((0, settings.factors), np.float32)
        for _ in range(settings.rounds):
            users = solve(weights, items, settings)
            items = solve(across, users, settings)
        self.items, self.users = items, solve(weights, items, settings)
        return self

    def scores(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self.users[users] @ self.items.T
        return found


def solve(weights: "csr_array", fixed: NDArray[np.float32], settings: AlsSettings) -> NDArray[np.float32]:
    """The vectors of the rows that fit `weights` best while those of the columns, `fixed`, stay; shape (rows, factors).

    A row without acts gets zeros. Rows of like length are solved together, so that few cells are filled up.
    """
    counts = np.diff(weights.indptr)
    base = settings.unobserved * (fixed.T @ fixed)
    found = np.zeros((weights.shape[0], fixed.shape[1]), np.float32)
    order = np.argsort(counts, kind="stable")
    order = order[np.searchsorted(counts[order], 1) :]
    while len(order):
        # About 8 million numbers of padded vectors at once: 32 MB.
        width = int(counts[order[min(len(order), 512) - 1]])
        rows = order[: max(1, min(512, 8_000_000 // (width * fixed.shape[1]) or 1))]
        order = order[len(rows) :]
        found[rows] = _solve_alike(weights[rows], fixed, base, settings)
    return found


def _solve_alike(
    weights: "csr_array", fixed: NDArray[np.float32], base: NDArray[np.float32], settings: AlsSettings
) -> NDArray[np.float32]:
    """The same for rows that each have an act, all at once."""
    counts = np.diff(weights.indptr)
    place = np.arange(weights.nnz) - np.repeat(weights.indptr[:-1], counts)
    row = np.repeat(np.arange(len(counts)), counts)
    vectors = np.zeros((len(counts), int(counts.max()), fixed.shape[1]), np.float32)
    vectors[row, place] = fixed[weights.indices] * np.sqrt(weights.data)[:, None]
    system = vectors.transpose(0, 2, 1) @ vectors + base
    total = np.add.reduceat(weights.data, weights.indptr[:-1]) + settings.unobserved * len(fixed)
    system += (settings.penalty * total)[:, None, None] * np.eye(fixed.shape[1], dtype=np.float32)
    wanted = weights @ fixed
    return np.asarray(np.linalg.solve(system, wanted[:, :, None])[:, :, 0], np.float32)
