"""The network that is trained: forward.py again, in torch, with dropout and the loss."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import (
    embedding,
    embedding_bag,
    layer_norm,
    linear,
    normalize,
    relu,
    scaled_dot_product_attention,
)

from recsys.encoder.batches import Batch
from recsys.encoder.content import Bags
from recsys.encoder.forward import EPSILON, content_rows, unit
from recsys.encoder.recipe import Recipe
from recsys.encoder.shape import HOTTEST, Shape

IDS = "ids"


class Chance:
    """Dropout that is drawn for the rows of all processes, of which each takes its own.

    So one process and many see the same masks, and a step that is made again after a restart sees them again.
    """

    def __init__(self, recipe: Recipe, number: int, rank: int, world: int, rows: int) -> None:
        self._generator = torch.Generator().manual_seed(
            int(np.random.SeedSequence([recipe.seed, 3, number]).generate_state(1)[0])
        )
        self._rank, self._world, self._rows, self._share = rank, world, rows, recipe.dropout

    def drop(self, states: Tensor) -> Tensor:
        if not self._share:
            return states
        drawn = torch.rand((self._rows, *states.shape[1:]), generator=self._generator)[self._rank :: self._world]
        return states * (drawn >= self._share) / (1 - self._share)

    def kept(self, count: int, share: float) -> Tensor:
        """1 for what is kept and 0 for a `share` that is not, shape (count, 1), the same in every process."""
        return (torch.rand((count, 1), generator=self._generator) >= share).float()


class Network(nn.Module):
    """Loss of a batch; the arrays have the names of weights.py, and `ids` are the items' own."""

    def __init__(
        self, shape: Shape, recipe: Recipe, weights: Mapping[str, NDArray[np.float32]], bags: Bags | None
    ) -> None:
        super().__init__()
        self.shape, self.recipe, self.bags = shape, recipe, bags
        self.arrays = nn.ParameterDict(
            {name.replace(".", "/"): nn.Parameter(torch.from_numpy(array.copy())) for name, array in weights.items()}
        )

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """A copy of all arrays by name."""
        return {name.replace("/", "."): array.detach().numpy().copy() for name, array in self.arrays.items()}

    def set(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Put these in place of all arrays."""
        with torch.no_grad():
            for name, array in self.arrays.items():
                array.copy_(torch.from_numpy(weights[name.replace("/", ".")]))

    def forward(self, batch: Batch, rank: int = 0, world: int = 1) -> Tensor:
        """Mean loss over the wanted acts of all processes, times the processes: they average it."""
        chance = Chance(self.recipe, batch.number, rank, world, len(batch.items))
        vectors = self.item_vectors(batch.local, chance)
        mine = slice(rank, None, world)
        items, wanted = torch.from_numpy(batch.items[mine]), torch.from_numpy(batch.wanted[mine])
        states = self.states(vectors, items, batch, mine, chance)
        users = self.answers(states, batch, mine).flatten(0, 1)
        users = users.index_select(0, wanted.flatten().nonzero()[:, 0])
        losses = self._losses(users, items[wanted], vectors, batch)
        return losses.sum() * (world / max(int(batch.wanted.sum()), 1))

    def item_vectors(self, places: NDArray[np.int64], chance: Chance) -> Tensor:
        """Unit vectors of these items; a share of them shows its content alone."""
        rows = embedding(torch.from_numpy(places), self.arrays[IDS])
        if self.bags is None:
            return normalize(rows, dim=-1)
        rows = rows * chance.kept(len(places), self.recipe.id_dropout)
        return normalize(rows + self._content(self.bags, places), dim=-1)

    def states(self, vectors: Tensor, items: Tensor, batch: Batch, mine: slice, chance: Chance) -> Tensor:
        """The state before each act, (rows, n, width)."""
        arrays = self.arrays
        actions, gaps = (torch.from_numpy(each[mine, :-1]) for each in (batch.actions, batch.gaps))
        # `embedding` and not brackets: its way back is several times faster.
        told = embedding(items[:, :-1], vectors) * arrays["scale"] + embedding(actions, arrays["action"])
        told = told + embedding(gaps, arrays["gap"])
        start = arrays["start"].expand(len(items), 1, -1)
        tokens = torch.cat([start, told], dim=1)
        if self.shape.ordered:
            tokens = tokens + arrays["position"][: tokens.shape[1]]
        tokens = chance.drop(tokens)
        for block in range(self.shape.blocks):
            tokens = self._block(f"blocks/{block}/", tokens, chance)
        return self._normal("norm", tokens)

    def answers(self, states: Tensor, batch: Batch, mine: slice) -> Tensor:
        """Unit vectors of what is wanted next, (rows, n, width)."""
        surfaces, targets, waits = (
            torch.from_numpy(each[mine]) for each in (batch.surfaces, batch.targets, batch.gaps)
        )
        arrays = self.arrays
        asked = embedding(surfaces, arrays["query_surface"]) + embedding(targets, arrays["query_target"])
        asked = asked + embedding(waits, arrays["query_gap"])
        return normalize(states + self._feed("query_", states + asked), dim=-1)

    def _losses(self, users: Tensor, wanted: Tensor, vectors: Tensor, batch: Batch) -> Tensor:
        """Sampled softmax: the negatives stand for all items, each for as many as its chance to be drawn says."""
        heat = self.arrays["temperature"].clamp(max=HOTTEST).exp()
        right = (users * embedding(wanted, vectors)).sum(dim=-1) * heat
        wrong = users @ vectors[: batch.negatives].T * heat + torch.from_numpy(batch.corrections)
        hit = torch.arange(batch.negatives) == wanted[:, None]
        wrong = wrong.masked_fill(hit, -torch.inf)
        losses: Tensor = torch.logaddexp(right, wrong.logsumexp(dim=-1)) - right
        return losses

    def _block(self, name: str, tokens: Tensor, chance: Chance) -> Tensor:
        rows, n, width = tokens.shape
        asked = linear(self._normal(name + "attention_norm", tokens), self.arrays[name + "project/weight"])
        asked = asked.view(rows, n, 3, self.shape.heads, width // self.shape.heads).permute(2, 0, 3, 1, 4)
        found = scaled_dot_product_attention(asked[0], asked[1], asked[2], is_causal=True)
        mixed = linear(found.transpose(1, 2).reshape(rows, n, width), self.arrays[name + "mix/weight"])
        tokens = tokens + chance.drop(mixed)
        return tokens + chance.drop(self._feed(name, self._normal(name + "feed_norm", tokens)))

    def _content(self, bags: Bags, places: NDArray[np.int64]) -> Tensor:
        counts = bags.starts[places + 1] - bags.starts[places]
        starts = np.cumsum(counts) - counts
        rows = np.arange(int(counts.sum())) + np.repeat(bags.starts[places] - starts, counts)
        summed = embedding_bag(
            torch.from_numpy(bags.places[rows].astype(np.int64)),
            self.arrays["content/table"],
            torch.from_numpy(starts),
            mode="sum",
            per_sample_weights=torch.from_numpy(bags.weights[rows]),
        )
        return summed + self._feed("content/", summed)

    def _feed(self, name: str, rows: Tensor) -> Tensor:
        hidden = relu(linear(rows, self.arrays[name + "widen/weight"], self.arrays[name + "widen/bias"]))
        return linear(hidden, self.arrays[name + "narrow/weight"], self.arrays[name + "narrow/bias"])

    def _normal(self, name: str, rows: Tensor) -> Tensor:
        return layer_norm(
            rows, (rows.shape[-1],), self.arrays[name + "/weight"], self.arrays[name + "/bias"], float(EPSILON)
        )


def known_vectors(
    weights: Mapping[str, NDArray[np.float32]], bags: Bags | None, touched: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Unit vectors of all items as they serve, (items, width); of those not `touched` by their content alone."""
    if bags is None:
        return unit(weights[IDS])
    return unit(weights[IDS] * touched[:, None] + content_rows(weights, bags))
