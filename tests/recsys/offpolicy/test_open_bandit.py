"""Known answers: both policies of the Open Bandit data ran in the same week, so each one's value is known."""

import pytest

from recsys.offpolicy.estimate import estimates
from tests.recsys.offpolicy.open_bandit import FOLDER, direction
from tests.shared import IN_CI

pytestmark = pytest.mark.skipif(not FOLDER.is_dir() and not IN_CI, reason=f"no Open Bandit data at {FOLDER}")


@pytest.mark.parametrize("campaign", ["men", "women"])
def test_every_interval_from_random_logs_covers_what_thompson_sampling_earned(campaign):
    asked = direction(campaign, "random", "bts")
    found = estimates(asked.log)
    assert len(found) == 8
    for each in found:
        assert each.refused == ""
        assert each.interval.covers(asked.truth), each
        # Clicks are rare: 46 of 10,000. An interval up to 2 % of clicks would cover by saying nothing.
        assert each.interval.upper < 0.012, each
        assert 0.2 < each.support.ratio < 0.4


def test_logs_of_thompson_sampling_cannot_tell_what_a_random_policy_earns():
    for each in estimates(direction("women", "bts", "random").log):
        assert each.value is None and each.interval is None
        assert "effective sample 2 of 10,000 decisions (0.02%)" in each.refused
        assert "largest weight is 21,739" in each.refused


def test_where_little_of_the_log_counts_the_interval_is_wide_and_true():
    # Men's logs hold 6.6 % of an effective sample, just above the limit, with a weight of 178.
    asked = direction("men", "bts", "random")
    for each in estimates(asked.log):
        assert each.support.ratio == pytest.approx(0.0656, abs=1e-3)
        assert each.interval.covers(asked.truth)
        assert each.interval.rule.startswith("betting")
