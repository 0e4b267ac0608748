"""Summary statistics by look become Moments."""

from pathlib import Path

import numpy as np
import pytest
from facts import an_experiment_file

from analysis import Experiment, ExperimentError, SourceError
from analysis.collect import collect

WIDE = """experiment_id,variant_id,metric_id,time_since_start,count_c,count_t,mean_c,mean_t,variance_c,variance_t
e1,1,m,0.5,10,11,1,2,4,5
e1,1,m,1,20,21,1.5,2.5,4,
e1,2,m,0.5,10,12,1,3,4,6
e1,1,k,0.5,10,11,0.1,0.2,,0.16
e2,1,m,0.5,99,99,9,9,9,9
"""
LONG = """arm,metric,time,count,mean,variance,city
a,m,2026-03-02,10,1,4,
b,m,2026-03-02,11,2,5,
a,m,2026-03-02,4,1,4,x
b,m,2026-03-02,5,2,5,x
"""
MEAN = 'id = "m"\nkind = "mean"\nvalue = "m"'


def a_summary(folder: Path, text: str, *metrics: str, **plan: str) -> Experiment:
    (folder / "moments.csv").write_text(text)
    return an_experiment_file(folder, 'moments = "moments.csv"', *(metrics or (MEAN,)), **plan)


def wide(folder: Path, text: str = WIDE, *metrics: str, **plan: str) -> Experiment:
    settings = {"id": '"e1"', "arm": '"variant_id"', "control": '"c"', "shares": "{ c = 1, 1 = 1, 2 = 1 }", **plan}
    return a_summary(folder, text, *metrics, **settings)


def test_pairs_of_arms_share_their_control(tmp_path: Path) -> None:
    collected = collect(wide(tmp_path, WIDE, MEAN, 'id = "k"\nkind = "proportion"\nvalue = "k"'))
    assert collected.labels == ("day 0.5", "day 1")
    assert collected.arms == ("c", "1", "2")
    assert collected.moments.n[:, 0].tolist() == [[10, 11, 12], [20, 21, 0]]
    np.testing.assert_allclose(collected.moments.mean[0, 0, :, 0], [1, 2, 3])
    np.testing.assert_allclose(collected.moments.covariance[0, 0, :, 0, 0], [4, 5, 6])
    np.testing.assert_allclose(collected.moments.covariance[0, 0, :, 1, 1], [np.nan, 0.16, np.nan])
    assert np.isnan(collected.moments.cross[0, 0, :, 0, 1]).all()
    assert np.isnan(collected.moments.cross[1, 0, 1, 0, 0])


def test_one_row_an_arm_may_tell_segments(tmp_path: Path) -> None:
    collected = collect(a_summary(tmp_path, LONG, segments='["city"]'))
    assert collected.labels == ("2026-03-02T00:00:00Z",)
    assert [s and s.value for s in collected.segments] == [None, "x"]
    assert collected.moments.n.tolist() == [[[10, 11], [4, 5]]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WIDE + "e1,1,m,0.5,10,11,1,7,4,5\n", r"arm '1', metric 'm' at time 0.5 is told twice"),
        (WIDE + "e1,2,k,0.5,10,99,0.1,7,,5\n", r"arm '2'.*different counts, \[12.0, 99.0\]"),
        (WIDE + "e1,1,m,2,-1,11,1,7,4,5\n", r"count -1, mean 1, variance 4"),
        (WIDE + "e1,1,m,2,5,11,1,7,-4,5\n", r"variance -4"),
        (WIDE.replace("e1,2", "e1,3"), r"column 'variant_id' has no '2'. Found: 1, 3"),
        (WIDE.replace("mean_t", "average_t"), r"has no column 'mean_t', needed as a summary"),
        (WIDE.replace("e1,", "e9,"), r"column 'experiment_id' has no 'e1'"),
        (WIDE.replace(",m,", ",z,"), r"column 'metric_id' has no 'm'.*Found: k, z"),
    ],
)
def test_malformed_summaries_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        collect(wide(tmp_path, text, MEAN, 'id = "k"\nkind = "proportion"\nvalue = "k"'))


def test_what_needs_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"\[metrics 1\] kind: needs rows of units"):
        collect(wide(tmp_path, WIDE, 'id = "m"\nkind = "ratio"\nvalue = "m"\ndenominator = { value = "k" }'))
    with pytest.raises(ExperimentError, match=r"\[metrics 1\] cap: needs rows of units"):
        collect(wide(tmp_path, WIDE, MEAN + "\ncap = { value = 3 }"))
