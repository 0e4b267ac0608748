"""Our adjusted p-values and their intervals' levels against numbers that other programs printed."""

import json

import numpy as np
import pytest
from shared import GOLDEN, needs_golden

from analysis.multiplicity.corrections import benjamini_hochberg, fcr_alpha, holm

ADJUSTMENTS = {"holm": holm, "fdr_bh": benjamini_hochberg}

pytestmark = needs_golden


@pytest.fixture(scope="module")
def cases() -> list[dict]:
    return json.loads((GOLDEN / "exp_multiple_testing.json").read_text())["cases"]


@pytest.mark.parametrize("name", ADJUSTMENTS)
def test_adjusted_p_values_and_rejections(cases, name):
    for case in cases:
        adjusted = ADJUSTMENTS[name](np.array(case["p"]))
        np.testing.assert_allclose(adjusted, case[name]["adjusted"], rtol=1e-9)
        assert list(adjusted <= 0.05) == case[name]["reject"]


def test_level_of_the_intervals_after_selection(cases):
    levels = [(fcr_alpha(np.array(case["p"]), 0.05), case["fcr_ci_level"]) for case in cases]
    assert [1 - ours for ours, theirs in levels if theirs] == pytest.approx([t for _, t in levels if t], rel=1e-9)
