"""Trains the shared experts on logged impressions with torch; they serve without it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.ranking.experts import BENDS, EXPERTS, Experts, Floats32, bends
from recsys.ranking.rows import CLICK, PURCHASE, REFUND, Impressions
from recsys.ranking.scaling import Scaling
from recsys.slate import OUTCOMES

if TYPE_CHECKING:
    import torch


# Outcomes and tries that every rate begins with.
PRIOR = (0.2, 20.0)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the experts are trained; the sizes are of the layers of an expert and of a tower.

    Chosen on later days of a demo shop (150,000 impressions): twice the width and no decay did worse there.
    """

    width: int = 32
    narrow: int = 16
    tower: int = 16
    batch: int = 1024
    rate: float = 7e-4
    decay: float = 0.5
    epochs: int = 12
    patience: int = 2
    seconds: float = 900.0


def train(
    impressions: Impressions,
    validation: Impressions,
    surfaces: int,
    *,
    rng: np.random.Generator,
    recipe: Recipe | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Experts:
    """Experts with the least loss on `validation`, by minibatches; stops when `patience` epochs bring nothing.

    The loss is the sum over outcomes of the mean log loss of their chances over all impressions whose window is
    closed (the entire space, as in ESMM). Losses over the base rates' entropies, and over its root, were tried on
    simulated logs: no head gained, and the click lost.
    """
    import torch

    recipe = recipe or Recipe()
    scaling = Scaling.of(impressions.rows.features)
    start = Experts(scaling, _first_weights(scaling.width + surfaces, surfaces, impressions, recipe, rng))
    parameters = {name: torch.tensor(array, requires_grad=True) for name, array in start.weights.items()}
    optimiser = torch.optim.AdamW(_groups(parameters, recipe), lr=recipe.rate)
    batches, held = _tensors(start, impressions), _tensors(start, validation)
    best, kept, idle, began = np.inf, dict(start.weights), 0, time.process_time()
    for epoch in range(recipe.epochs):
        order = torch.from_numpy(rng.permutation(len(impressions)))
        for rows in torch.split(order, recipe.batch):
            loss = _loss(parameters, tuple(each[rows] for each in batches))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        now = _mean_loss(parameters, held)
        progress(f"ranker, epoch {epoch + 1}: loss on held-out days {now:.5f}")
        idle = 0 if now < best - 1e-5 else idle + 1
        if now < best:
            best = now
            kept = {name: p.detach().numpy().copy() for name, p in parameters.items()}
        if idle >= recipe.patience or time.process_time() - began > recipe.seconds:
            break
    return Experts(scaling, kept)


def _groups(parameters: "dict[str, torch.Tensor]", recipe: Recipe) -> list[dict[str, Any]]:
    """Layers decay, biases do not; a place has few numbers and must be far from 0 before the other layers are done."""
    biases = [p for name, p in parameters.items() if name.endswith("bias")]
    layers = [p for name, p in parameters.items() if not name.endswith("bias") and name != "place"]
    return [
        {"params": layers, "weight_decay": recipe.decay},
        {"params": biases, "weight_decay": 0.0},
        {"params": [parameters["place"]], "weight_decay": 0.0, "lr": 10 * recipe.rate},
    ]


def _first_weights(
    inputs: int, surfaces: int, impressions: Impressions, recipe: Recipe, rng: np.random.Generator
) -> dict[str, Floats32]:
    """Random layers; the last biases are the base rates' log odds, so that training starts from the right means."""

    def layer(*shape: int) -> Floats32:
        made: Floats32 = (rng.standard_normal(shape) * np.sqrt(2.0 / shape[-2])).astype(np.float32)
        return made

    outcomes = len(OUTCOMES)
    return {
        "hidden": layer(inputs, EXPERTS * recipe.width),
        "hidden_bias": np.zeros(EXPERTS * recipe.width, np.float32),
        "second": layer(EXPERTS, recipe.width, recipe.narrow),
        "second_bias": np.zeros((EXPERTS, recipe.narrow), np.float32),
        "gates": 0.1 * layer(inputs, outcomes * EXPERTS),
        "gates_bias": np.zeros(outcomes * EXPERTS, np.float32),
        "towers": layer(outcomes, recipe.narrow, recipe.tower),
        "towers_bias": np.zeros((outcomes, recipe.tower), np.float32),
        "last": 0.1 * layer(outcomes, recipe.tower),
        "last_bias": _base_odds(impressions.labels),
        "place": np.zeros((surfaces, BENDS), np.float32),
    }


def base_rates(labels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of each outcome, over its parent's: of the click over all, of others over clicks, of refunds over
    purchases; PRIOR is added, so that none is 0 or 1 and one of which nothing is known yet is small."""
    happened = np.asarray(np.nansum(labels, axis=0, dtype=np.float64))
    known = ~np.isnan(labels)
    parents = np.repeat(labels[:, CLICK : CLICK + 1], labels.shape[1], axis=1)
    parents[:, REFUND] = labels[:, PURCHASE]
    parents[:, CLICK] = 1.0
    tries = np.asarray(np.nansum(np.where(known, parents, 0.0), axis=0, dtype=np.float64))
    rates: NDArray[np.float64] = (happened + PRIOR[0]) / (tries + PRIOR[1])
    return rates


def _base_odds(labels: NDArray[np.float32]) -> Floats32:
    rates = np.clip(base_rates(labels), 1e-6, 1 - 1e-6)
    return np.log(rates / (1 - rates)).astype(np.float32)


def _tensors(start: Experts, impressions: Impressions) -> "tuple[torch.Tensor, ...]":
    import torch

    rows = impressions.rows
    arrays = (start.inputs(rows), rows.surface.astype(np.int64), bends(rows.position), impressions.labels)
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


def _odds(w: "dict[str, torch.Tensor]", batch: "tuple[torch.Tensor, ...]") -> "torch.Tensor":
    """As Experts.log_odds with the place added to the click's, shape (rows, outcomes)."""
    import torch

    inputs, surface, bent, _ = batch
    rows = len(inputs)
    hidden = torch.relu(inputs @ w["hidden"] + w["hidden_bias"]).reshape(rows, EXPERTS, -1).transpose(0, 1)
    second = torch.relu(torch.baddbmm(w["second_bias"][:, None], hidden, w["second"]))
    gates = (inputs @ w["gates"] + w["gates_bias"]).reshape(rows, len(OUTCOMES), EXPERTS).softmax(dim=2)
    mixed = (gates @ second.transpose(0, 1)).transpose(0, 1)
    tower = torch.relu(torch.baddbmm(w["towers_bias"][:, None], mixed, w["towers"]))
    odds = torch.einsum("orn,on->ro", tower, w["last"]) + w["last_bias"]
    place = torch.zeros_like(odds)
    place[:, CLICK] = (w["place"][surface] * bent).sum(dim=1)
    return odds + place


def _loss(w: "dict[str, torch.Tensor]", batch: "tuple[torch.Tensor, ...]") -> "torch.Tensor":
    import torch

    log_given = torch.nn.functional.logsigmoid(_odds(w, batch))
    click = log_given[:, CLICK : CLICK + 1]
    outcome = torch.arange(len(OUTCOMES))
    purchased = log_given[:, PURCHASE : PURCHASE + 1]
    # The log of the product of chances that leads to each outcome.
    log_p = (log_given + (outcome != CLICK) * click + (outcome == REFUND) * purchased).clamp(max=-1e-6)
    labels = batch[3]
    known = ~labels.isnan()
    y = torch.nan_to_num(labels)
    loss = -(y * log_p + (1 - y) * torch.log(-torch.expm1(log_p)))
    return ((loss * known).sum(dim=0) / known.sum(dim=0).clamp(min=1)).sum()


def _mean_loss(w: "dict[str, torch.Tensor]", held: "tuple[torch.Tensor, ...]") -> float:
    import torch

    with torch.inference_mode():
        size = 16_384
        rows = len(held[0])
        parts = [tuple(each[at : at + size] for each in held) for at in range(0, rows, size)]
        return sum(float(_loss(w, part)) * len(part[0]) for part in parts) / max(rows, 1)
