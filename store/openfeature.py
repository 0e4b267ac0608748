"""Assignments as an OpenFeature provider: other systems ask which arm a unit is in by its experiment's id."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import (
    FlagNotFoundError,
    InvalidContextError,
    TargetingKeyMissingError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagResolutionDetails, FlagValueType, Reason
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import AbstractProvider, Metadata

from store.assignment import Assignment, Exposure
from store.errors import AssignmentError, did_you_mean

Value = TypeVar("Value")
Structure = Sequence[FlagValueType] | Mapping[str, FlagValueType]


class HoldoutProvider(AbstractProvider):
    """Resolves a flag named as an experiment: its text is the arm, its boolean whether that is a treatment.

    A unit that is not in the experiment gets the control arm, with the reason DEFAULT, or DISABLED before the ramp and
    after the end; one that is in gets SPLIT. The unit is the targeting key, or the attribute that the experiment names
    as `unit`. The caller's default is for errors only: FLAG_NOT_FOUND, TARGETING_KEY_MISSING, INVALID_CONTEXT (the
    attribute is missing or no id), TYPE_MISMATCH (a number was asked for).

    Source: the OpenFeature specification, sections 1.4 (reasons, errors) and 2 (provider).

    Args:
        assignments: by experiment id, as `load_assignments` returns them.
        clock: the time of an evaluation, aware.
    """

    def __init__(
        self, assignments: Mapping[str, Assignment], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__()
        self._assignments = dict(assignments)
        self._clock = clock

    def get_metadata(self) -> Metadata:
        return Metadata(name="Holdout")

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, evaluation_context, lambda assignment, arm: arm or assignment.control)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(
            flag_key, evaluation_context, lambda assignment, arm: arm not in (None, assignment.control)
        )

    def resolve_object_details(
        self, flag_key: str, default_value: Structure, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Structure]:
        def structure(assignment: Assignment, arm: str | None) -> Structure:
            shown = arm or assignment.control
            return {"experiment": assignment.experiment, "arm": shown, "in_experiment": arm is not None}

        return self._resolve(flag_key, evaluation_context, structure)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> NoReturn:
        self._refuse_number(flag_key)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> NoReturn:
        self._refuse_number(flag_key)

    def _refuse_number(self, flag_key: str) -> NoReturn:
        self._assignment(flag_key)
        raise TypeMismatchError(f"flag {flag_key!r} has arms, not numbers; ask for a string, a boolean or an object.")

    def _assignment(self, flag_key: str) -> Assignment:
        if flag_key not in self._assignments:
            known = did_you_mean(flag_key, self._assignments)
            raise FlagNotFoundError(f"no experiment {flag_key!r} has a table [assignment].{known}")
        return self._assignments[flag_key]

    def _resolve(
        self,
        flag_key: str,
        context: EvaluationContext | None,
        value: Callable[[Assignment, str | None], Value],
    ) -> FlagResolutionDetails[Value]:
        assignment, now = self._assignment(flag_key), self._clock()
        unit = _unit(assignment, context or EvaluationContext())
        try:
            arm = assignment.arm(unit, now)
        except AssignmentError as error:
            raise InvalidContextError(str(error)) from None
        out = Reason.DEFAULT if assignment.exposed(now) else Reason.DISABLED
        return FlagResolutionDetails(
            value=value(assignment, arm),
            variant=arm or assignment.control,
            reason=Reason.SPLIT if arm else out,
            flag_metadata={"unit_id": str(unit), "time": now.isoformat(), "in_experiment": arm is not None},
        )


class ExposureHook(Hook):
    """Hands a row of exposures to `log` for each evaluation that it is attached to, if the unit is in the experiment.

    Attach it to the evaluation at the place that shows the arm: an evaluation made ahead of time is no exposure.
    """

    def __init__(self, log: Callable[[Exposure], None]) -> None:
        self._log = log

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType], hints: HookHints) -> None:
        """Runs after an evaluation without error."""
        said = details.flag_metadata
        if said.get("in_experiment"):
            time = datetime.fromisoformat(str(said["time"]))
            self._log(Exposure(details.flag_key, str(said["unit_id"]), str(details.variant), time))


def _unit(assignment: Assignment, context: EvaluationContext) -> Any:
    """Whom the context names; that it is a text or a whole number is checked where arms are given."""
    if assignment.unit is None:
        if not context.targeting_key:
            raise TargetingKeyMissingError(
                f"experiment {assignment.experiment!r} assigns by the targeting key, and the context has none."
            )
        return context.targeting_key
    unit = context.attributes.get(assignment.unit)
    if unit is None:
        raise InvalidContextError(
            f"experiment {assignment.experiment!r} assigns by {assignment.unit!r}, which is not among the attributes "
            f"of the context: {', '.join(sorted(context.attributes)) or 'none'}. Add it."
        )
    return unit
