"""Decisions, what became of them, and proofs of trust: kept as they were, on both databases."""

import math
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from store import RegistryError
from store.registry import Registry

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
TABLES = ("decisions", "outcomes", "trust_results")


def a_registry(url: str, *verdicts: str) -> tuple[Registry, list[int]]:
    """The registry with one experiment, and the ids of its looks."""
    registry = Registry.open(url)
    registry.save_experiment("[experiment]", id="mail", name="Mail")
    saved = [registry.save_look("mail", readout="{}", verdict=v, lake_versions={"events": 7}) for v in verdicts]
    return registry, [look.id for look in saved]


def test_a_decision_shows_what_the_look_advised_and_the_facts_that_it_saw(url: str) -> None:
    registry, (look,) = a_registry(url, "ship")
    made = registry.decide("mail", look, "stop", reason=" Too dear to run. ", decided_by="ann")
    assert (made.verdict, made.recommended, made.override) == ("stop", "ship", False)
    assert (made.look_id, made.lake_versions, made.reason) == (look, {"events": 7}, "Too dear to run.")
    assert made.superseded_by is None and made.outcomes == ()
    assert registry.decisions() == registry.decisions("mail") == [made]
    assert registry.decisions("other") == []
    noted = registry.audit("experiment mail")[-1]
    assert (noted.actor, noted.action, noted.at) == ("ann", "decide", made.decided_at)
    assert noted.detail == {"decision": made.id, "verdict": "stop", "look": look, "recommended": "ship"}


def test_a_later_decision_supersedes_but_does_not_erase(url: str) -> None:
    registry, (first, second) = a_registry(url, "keep_running", "ship")
    registry.save_experiment("[experiment]", id="other", name="Other")
    elsewhere = registry.save_look("other", readout="{}", verdict="stop", lake_versions={})
    made = [
        registry.decide("mail", first, "keep_running", reason="Too early.", decided_by="ann"),
        registry.decide("other", elsewhere.id, "stop", reason="It loses.", decided_by="bob"),
        registry.decide("mail", second, "ship", reason="It wins.", decided_by="ann"),
    ]
    listed = registry.decisions()
    assert [each.id for each in listed] == [made[2].id, made[1].id, made[0].id]
    assert [each.superseded_by for each in listed] == [None, None, made[2].id]
    assert [each.verdict for each in registry.decisions("mail")] == ["ship", "keep_running"]


def test_a_blocked_look_is_decided_on_only_by_who_says_so(url: str) -> None:
    registry, (blocked, good) = a_registry(url, "blocked", "ship")
    with pytest.raises(RegistryError, match=r"is blocked by a failed health check\. Mend the cause .* override"):
        registry.decide("mail", blocked, "ship", reason="We must.", decided_by="ann")
    with pytest.raises(RegistryError, match=r"is not blocked, it says ship\. Decide without override"):
        registry.decide("mail", good, "ship", reason="It wins.", decided_by="ann", override=True)
    assert registry.decisions() == []
    made = registry.decide("mail", blocked, "stop", reason="The split is broken.", decided_by="ann", override=True)
    assert (made.override, made.recommended) == (True, "blocked") and registry.decisions() == [made]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"experiment_id": "mial"}, "experiment 'mial' is not registered. Known: mail, other. Did you mean 'mail'"),
        ({"look_id": 99}, "look 99 is not in the registry"),
        ({"experiment_id": "other"}, r"is of 'mail', not of 'other'\. Decide on a look of its own"),
        ({"verdict": "shp"}, "'shp' cannot be decided. Known: keep_running, review, ship, stop. Did you mean 'ship'"),
        ({"verdict": "blocked"}, "'blocked' cannot be decided"),
        ({"reason": " \n"}, "the reason is empty"),
        ({"decided_by": ""}, "the name of who decides is empty"),
    ],
)
def test_a_decision_that_means_nothing_is_refused(url: str, given: dict[str, object], message: str) -> None:
    registry, (look,) = a_registry(url, "ship")
    registry.save_experiment("[experiment]", id="other", name="Other")
    whole = {"experiment_id": "mail", "look_id": look, "verdict": "ship", "reason": "It wins.", "decided_by": "ann"}
    with pytest.raises(RegistryError, match=message):
        registry.decide(**{**whole, **given})
    assert registry.decisions() == []


def test_outcomes_stand_beside_their_decision_in_order(url: str) -> None:
    registry, (look, later) = a_registry(url, "ship", "keep_running")
    made = registry.decide("mail", look, "ship", reason="It wins.", decided_by="ann")
    first = registry.record_outcome(made.id, "Revenue rose.", recorded_by="bob", estimate=0.021, look_id=later)
    second = registry.record_outcome(made.id, "Nobody complained.", recorded_by="ann")
    assert (first.what, first.estimate, first.look_id) == ("Revenue rose.", 0.021, later)
    assert registry.decisions()[0].outcomes == (first, second)
    noted = registry.audit("experiment mail")[-1]
    assert (noted.actor, noted.action) == ("ann", "outcome")
    assert noted.detail == {"decision": made.id, "outcome": second.id}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"decision_id": 99}, "decision 99 is not in the registry. Take an id that `holdout decisions` prints"),
        ({"what": ""}, "the outcome is empty"),
        ({"recorded_by": " "}, "the name of who records is empty"),
        ({"look_id": 99}, "look 99 is not in the registry"),
        ({"estimate": math.nan}, "the estimate is nan, must be a lift"),
        ({"estimate": 5000}, "the estimate is 5000, must be a lift from -1 to 100"),
    ],
)
def test_an_outcome_that_means_nothing_is_refused(url: str, given: dict[str, object], message: str) -> None:
    registry, (look,) = a_registry(url, "ship")
    made = registry.decide("mail", look, "ship", reason="It wins.", decided_by="ann")
    with pytest.raises(RegistryError, match=message):
        registry.record_outcome(**{"decision_id": made.id, "what": "It rose.", "recorded_by": "bob", **given})
    assert registry.decisions()[0].outcomes == ()


def test_the_latest_proof_of_trust_is_the_one_made_last(url: str) -> None:
    registry, _ = a_registry(url)
    assert registry.latest_trust("mail") is None
    late = registry.save_trust("mail", '{"runs": 2}', lake_versions={"events": 8}, made_at=NOON)
    registry.save_trust("mail", '{"runs": 1}', lake_versions={"events": 7}, made_at=NOON - timedelta(days=1))
    assert registry.latest_trust("mail") == late
    assert (late.result, late.lake_versions, late.made_at) == ('{"runs": 2}', {"events": 8}, NOON)
    assert registry.audit("experiment mail")[-1].action == "trust"
    with pytest.raises(RegistryError, match="'male' is not registered"):
        registry.save_trust("male", "{}", lake_versions={})
    with pytest.raises(RegistryError, match="made_at is .* without a time zone"):
        registry.save_trust("mail", "{}", lake_versions={}, made_at=datetime(2025, 1, 1))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = 7", "DELETE FROM {}"])
def test_the_database_itself_keeps_them_for_ever(url: str, table: str, statement: str) -> None:
    registry, (look,) = a_registry(url, "ship")
    made = registry.decide("mail", look, "ship", reason="It wins.", decided_by="ann")
    registry.record_outcome(made.id, "It rose.", recorded_by="bob")
    proof, listed = registry.save_trust("mail", "{}", lake_versions={}), registry.decisions()
    with pytest.raises(DBAPIError, match=f"rows of {table} are kept for ever"), registry._writing.begin() as connection:
        connection.execute(text(statement.format(table)))
    assert registry.decisions() == listed and registry.latest_trust("mail") == proof


def test_people_who_decide_at_once_all_land_in_one_order(url: str) -> None:
    registry, (look,) = a_registry(url, "ship")
    start, failures = threading.Barrier(6), []

    def write(name: str) -> None:
        try:
            start.wait()
            for number in range(4):
                made = registry.decide("mail", look, "ship", reason=str(number), decided_by=name)
                registry.record_outcome(made.id, "It rose.", recorded_by=name)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    listed = registry.decisions("mail")
    assert not failures and len(listed) == 24 and registry.decisions() == listed
    assert [each.superseded_by for each in listed] == [None, *(each.id for each in listed[:-1])]
    times = [each.decided_at for each in listed]
    assert times == sorted(times, reverse=True)
    assert all(len(each.outcomes) == 1 and each.outcomes[0].recorded_by == each.decided_by for each in listed)
