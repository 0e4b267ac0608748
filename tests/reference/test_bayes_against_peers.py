"""Our posteriors against those that gbstats printed for every metric kind that it has."""

import json
from itertools import product

import numpy as np
import pytest
from shared import GOLDEN, needs_golden

from analysis.inference.bayes import Prior, posterior

pytestmark = needs_golden
# The prior of each test, and the unit in which gbstats states it.
PRIORS = {
    "bayes_flat": (Prior(), "relative"),
    "bayes_prior_0_0.1": (Prior(0.0, 0.1), "relative"),
    "bayes_prior_abs": (Prior(0.0, 0.1), "absolute"),
}


# The version at the head of the repository forgets to rescale an absolute prior for lifts (0.0730 where the released
# one has 0.0291), so for those only the released one is asked.
DEFECT = ("outputs_head", "bayes_prior_abs", "relative")
CASES = set(product(("outputs_head", "outputs_pypi_0_8_0"), PRIORS, ("absolute", "relative"))) - {DEFECT}


@pytest.mark.parametrize(("version", "test", "unit"), sorted(CASES))
def test_posteriors_agree_with_gbstats(version, test, unit):
    rows = json.loads((GOLDEN / "exp_gbstats.json").read_text())[version]
    outputs = {(row["metric"], row["difference_type"], row["test"]): row for row in rows if "test" in row}
    prior, stated_in = PRIORS[test]
    names = sorted({name for name, *_ in outputs})
    want = [outputs[name, unit, test] for name in names]
    # What a flat prior gives is the estimate and its error themselves; tests of effects check those from the data.
    estimate, error = flat(outputs, names, unit)
    size = np.abs(flat(outputs, names, "absolute")[0] / flat(outputs, names, "relative")[0])
    if unit != stated_in:
        prior = prior.scaled(size if unit == "absolute" else 1 / size)
    belief = posterior(prior, estimate, error)
    np.testing.assert_allclose(belief.mean, [row["expected"] for row in want], rtol=1e-9)
    np.testing.assert_allclose(belief.sd, [row["se"] for row in want], rtol=1e-9)
    np.testing.assert_allclose(np.transpose(belief.interval(0.05)), [row["ci"] for row in want], rtol=1e-9)
    chances = [row.get("chanceToWin", row.get("chance_to_win")) for row in want]
    np.testing.assert_allclose(belief.chance_to_beat_control(1), chances, rtol=1e-9)
    losses = np.transpose([belief.loss_of_keeping(1), belief.loss_of_shipping(1)])
    np.testing.assert_allclose(losses, [row["risk"] for row in want], rtol=1e-9)


def flat(outputs: dict, names: list[str], unit: str) -> tuple[np.ndarray, np.ndarray]:
    rows = [outputs[name, unit, "bayes_flat"] for name in names]
    return np.array([row["expected"] for row in rows]), np.array([row["se"] for row in rows])
