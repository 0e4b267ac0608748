"""The direct method: what a reward model predicts of the evaluated policy, and nothing else."""

from recsys.offpolicy.estimator import Estimator, EstimatorError, Terms
from recsys.offpolicy.estimators.importance import single
from recsys.offpolicy.logged import Logged, Slates


class Direct(Estimator, name="dm", title="Reward model alone", model=True, unbiased="dr"):
    """mean(expected).

    Raises:
        EstimatorError: if the model does not know what was shown, and so predicts the same of every policy.
    """

    def terms(self, log: Logged | Slates) -> Terms:
        data = single(log)
        if not data.modelled:
            raise EstimatorError(
                "the reward model does not see which item is shown, so alone it says the same of every policy."
            )
        return Terms.mean(data.expected, float(data.expected.min()), float(data.expected.max()))
