"""Where the reference numbers and real data sets lie: beside the checkout, or where HOLDOUT_SHARED says."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("HOLDOUT_SHARED") or Path(__file__).resolve().parents[2] / "shared")
GOLDEN = SHARED / "golden"
EXPERIMENTS = SHARED / "data" / "experiments"
RECSYS = SHARED / "data" / "recsys"

# In CI they must be there: without them these tests fail, they do not skip.
IN_CI = bool(os.environ.get("CI"))

needs_golden = pytest.mark.skipif(
    not GOLDEN.is_dir() and not IN_CI, reason=f"no reference numbers at {GOLDEN}; set HOLDOUT_SHARED"
)
needs_experiments = pytest.mark.skipif(
    not EXPERIMENTS.is_dir() and not IN_CI, reason=f"no data sets at {EXPERIMENTS}; set HOLDOUT_SHARED"
)
needs_recsys = pytest.mark.skipif(
    not RECSYS.is_dir() and not IN_CI, reason=f"no data sets at {RECSYS}; set HOLDOUT_SHARED"
)
