"""`holdout policies`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsys.offpolicy.evaluation import PolicyReport
    from store import Workspace


def policies(
    workspace: "Workspace",
    asked: Sequence[str],
    *,
    surface: str | None = None,
    reward: str = "click",
    logged_epsilon: float | None = None,
) -> list["PolicyReport"]:
    """What each of `asked` would have earned, on one surface or all that were logged, instead of the latest policy.

    Args:
        asked: `uniform` or `epsilon=SHARE`.
        logged_epsilon: the share of uniform draws that the logged policy had; the engine's own is known.

    Raises:
        DataError: if nothing was logged.
        RequestError: if one of `asked` cannot be.
    """
    from recsys.offpolicy.evaluation import evaluate_all
    from recsys.offpolicy.policies import logged_share, parse
    from recsys.offpolicy.slate_log import logged_policies, read_slates

    surfaces = [surface] if surface else sorted({where for where, _ in logged_policies(workspace)})
    # Without a surface, reading one says what the log has.
    logs = [read_slates(workspace, where, reward) for where in surfaces or ["homepage"]]
    reports: list[PolicyReport] = []
    for log in logs:
        share = logged_share(log.policy, log.surface) if logged_epsilon is None else logged_epsilon
        reports += evaluate_all(log, [parse(text, share) for text in asked])
    return reports


def as_json(reports: Sequence["PolicyReport"]) -> str:
    """All reports with every figure."""
    import json

    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, datetime) else str(value)

    return json.dumps([asdict(report) for report in reports], indent=2, default=plain)
