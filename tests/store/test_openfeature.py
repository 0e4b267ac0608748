"""The provider as other systems use it: through the real OpenFeature client."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationOptions, Reason

from store import Assignment, Workspace
from store.assignment import Exposure, Step
from store.contract import load_contract
from store.openfeature import ExposureHook, HoldoutProvider

NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)
BADGE = Assignment(
    experiment="badge",
    control="no badge",
    shares={"no badge": 1.0, "badge": 1.0},
    salt="badge",
    ramp=(Step(NOW - timedelta(days=1), 0.5),),
)
ACCOUNT = replace(BADGE, experiment="prices", salt="prices", unit="account_id", ramp=())
PEOPLE = [f"u{k}" for k in range(200)]
ARMS = dict(zip(PEOPLE, BADGE.arms(PEOPLE, NOW), strict=True))
TREATED, CONTROL, OUT = (next(u for u in PEOPLE if ARMS[u] == arm) for arm in ("badge", "no badge", None))


@pytest.fixture
def clock() -> list[datetime]:
    """The provider's time, which a test may set."""
    return [NOW]


@pytest.fixture
def client(clock: list[datetime]) -> Iterator[OpenFeatureClient]:
    api.set_provider(HoldoutProvider({"badge": BADGE, "prices": ACCOUNT}, clock=lambda: clock[0]))
    yield api.get_client()
    api.clear_providers()


def test_text_boolean_and_object_say_the_arm_of_every_unit(client: OpenFeatureClient) -> None:
    for unit, arm in ARMS.items():
        context = EvaluationContext(unit)
        text = client.get_string_details("badge", "fallback", context)
        assert (text.value, text.variant) == (arm or "no badge", arm or "no badge")
        assert text.reason == (Reason.SPLIT if arm else Reason.DEFAULT) and text.error_code is None
        assert client.get_boolean_value("badge", True, context) is (arm == "badge")
        assert client.get_object_value("badge", {}, context) == {
            "experiment": "badge",
            "arm": arm or "no badge",
            "in_experiment": arm is not None,
        }


def test_the_asynchronous_client_gets_the_same_answer(client: OpenFeatureClient) -> None:
    assert asyncio.run(client.get_string_value_async("badge", "?", EvaluationContext(TREATED))) == "badge"


def test_before_the_ramp_and_after_the_end_the_flag_is_disabled(client: OpenFeatureClient, clock) -> None:
    clock[0] = NOW - timedelta(days=2)
    details = client.get_string_details("badge", "fallback", EvaluationContext(TREATED))
    assert (details.value, details.reason) == ("no badge", Reason.DISABLED)


@pytest.mark.parametrize(
    ("flag", "context", "code", "message"),
    [
        ("bagde", EvaluationContext("u1"), ErrorCode.FLAG_NOT_FOUND, "Did you mean 'badge'"),
        ("badge", None, ErrorCode.TARGETING_KEY_MISSING, "the context has none"),
        ("badge", EvaluationContext(""), ErrorCode.TARGETING_KEY_MISSING, "the context has none"),
        (
            "prices",
            EvaluationContext("u1", {"country": "FR"}),
            ErrorCode.INVALID_CONTEXT,
            "attributes of the context: country",
        ),
        ("prices", EvaluationContext("u1", {"account_id": 1.5}), ErrorCode.INVALID_CONTEXT, "unit 1.5 is not an id"),
    ],
)
def test_an_error_gives_the_callers_default_with_its_code(
    client: OpenFeatureClient, flag, context, code, message
) -> None:
    details = client.get_string_details(flag, "fallback", context)
    assert (details.value, details.reason, details.error_code) == ("fallback", Reason.ERROR, code)
    assert message in details.error_message


def test_a_number_is_a_mismatch_of_types(client: OpenFeatureClient) -> None:
    context = EvaluationContext(TREATED)
    for details in (client.get_integer_details("badge", 7, context), client.get_float_details("badge", 7.0, context)):
        assert (details.value, details.error_code) == (7, ErrorCode.TYPE_MISMATCH)
    assert client.get_integer_details("bagde", 7, context).error_code == ErrorCode.FLAG_NOT_FOUND


def test_an_experiment_on_another_unit_takes_its_id_from_the_attributes(client: OpenFeatureClient) -> None:
    for account in range(20):
        context = EvaluationContext("ignored", {"account_id": account})
        assert client.get_string_value("prices", "?", context) == ACCOUNT.arm(account, NOW)


def test_only_evaluations_with_the_hook_of_units_in_the_experiment_are_exposures(
    client: OpenFeatureClient, workspace: Workspace
) -> None:
    logged: list[Exposure] = []
    shown = FlagEvaluationOptions(hooks=[ExposureHook(logged.append)])
    client.get_boolean_value("badge", False, EvaluationContext(CONTROL))
    for unit in (CONTROL, TREATED, OUT):
        client.get_boolean_value("badge", False, EvaluationContext(unit), shown)
    client.get_object_value("prices", {}, EvaluationContext("u", {"account_id": 5}), shown)
    client.get_boolean_value("badge", False, None, shown)
    assert logged == [
        Exposure("badge", CONTROL, "no badge", NOW),
        Exposure("badge", TREATED, "badge", NOW),
        Exposure("prices", "5", ACCOUNT.arm("5", NOW), NOW),
    ]
    rows = pa.Table.from_pylist([asdict(row) for row in logged], schema=load_contract("exposures").schema)
    assert workspace.lake.append("exposures", rows, source="log") is not None
    assert workspace.lake.table("exposures").count().to_pyarrow().as_py() == 3
