"""Which models there are and which one serves: on both databases."""

import threading

import pytest

from store import RegistryError
from store.registry import Registry


def a_model(registry: Registry, version: str) -> None:
    registry.save_model(
        "engine",
        version,
        artifact=f"models/engine/{version}",
        metrics={"ndcg@10": 0.12},
        card={"seed": 3},
        lake_versions={"events": 7},
        code_version="abc",
    )


def test_a_model_comes_back_as_it_was_saved_and_serves_only_when_told_to(url: str) -> None:
    registry = Registry.open(url)
    assert registry.serving_model("engine") is None
    a_model(registry, "one")
    a_model(registry, "two")
    assert [(each.version, each.serving) for each in registry.models("engine")] == [("two", False), ("one", False)]
    used = registry.use_model("engine", "two", by="ann")
    assert used == registry.serving_model("engine") == registry.model("engine", "two")
    assert (used.metrics, used.card, used.lake_versions) == ({"ndcg@10": 0.12}, {"seed": 3}, {"events": 7})
    assert (used.artifact, used.code_version, used.serving) == ("models/engine/two", "abc", True)
    assert registry.models("other") == []


def test_going_back_to_an_old_version_is_kept_in_the_audit(url: str) -> None:
    registry = Registry.open(url)
    for version in ("one", "two"):
        a_model(registry, version)
        registry.use_model("engine", version)
    registry.use_model("engine", "one", by="ann", reason="two sells less")
    registry.use_model("engine", "one", by="bob")
    assert [each.version for each in registry.models() if each.serving] == ["one"]
    last = registry.audit("model engine")[-1]
    assert (last.actor, last.action) == ("ann", "use")
    assert last.detail == {"version": "one", "before": "two", "reason": "two sells less"}


def test_a_version_that_is_not_there_or_there_already_is_told(url: str) -> None:
    registry = Registry.open(url)
    a_model(registry, "one")
    with pytest.raises(RegistryError, match="'one' is in the registry already"):
        a_model(registry, "one")
    with pytest.raises(RegistryError, match="engine 'onne' is not in the registry. Known: one. Did you mean 'one'"):
        registry.use_model("engine", "onne")


def test_of_versions_that_are_chosen_at_once_one_serves(url: str) -> None:
    registry = Registry.open(url)
    versions = [f"v{number}" for number in range(6)]
    for version in versions:
        a_model(registry, version)
    threads = [threading.Thread(target=registry.use_model, args=("engine", version)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.serving for each in registry.models("engine")) == 1
    chosen = [each.detail for each in registry.audit("model engine") if each.action == "use"]
    assert [each["before"] for each in chosen] == [None, *(each["version"] for each in chosen[:-1])]
