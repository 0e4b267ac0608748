"""The Readout as JSON: nothing is lost, whole or in two parts."""

import dataclasses
import json

import numpy as np
import pytest
from builders import a_readout

from analysis.readout import Decision, Readout


def test_the_two_parts_together_are_the_whole() -> None:
    whole = a_readout(metrics=2, segments=3, looks=4)
    first, history = whole.split()
    assert Readout.from_json(first, history) == whole == Readout.from_json(whole.to_json())


def test_the_first_part_lacks_only_the_segments_of_looks_that_decide_nothing() -> None:
    made = a_readout(metrics=2, segments=3, looks=5)
    made = dataclasses.replace(made, decision=Decision("stop", (), look=2))
    opened = Readout.from_json(made.split()[0])
    for k, (short, look) in enumerate(zip(opened.looks, made.looks, strict=True)):
        assert (short == look) == (k in (2, 4))
        assert [e for e in short.effects if e.segment is None] == [e for e in look.effects if e.segment is None]
    assert dataclasses.replace(opened, looks=made.looks) == made


@pytest.mark.parametrize(("segments", "looks"), [(0, 4), (3, 1)])
def test_without_segments_of_earlier_looks_the_first_part_is_all(segments: int, looks: int) -> None:
    whole = a_readout(metrics=2, segments=segments, looks=looks)
    assert whole.split() == (whole.to_json(), None)


def test_parts_of_different_readouts_are_not_joined() -> None:
    first, _ = a_readout(metrics=1, segments=2, looks=3).split()
    _, history = a_readout(metrics=1, segments=2, looks=4).split()
    with pytest.raises(ValueError, match="shorter"):
        Readout.from_json(first, history)


def test_names_of_another_version_are_passed_over_and_missing_ones_have_their_defaults() -> None:
    whole = a_readout(metrics=1, segments=1, looks=1)
    plain = json.loads(whole.to_json())
    plain["looks"][0]["effects"][0]["of_a_later_version"] = {"estimate": 1}
    for look in plain["looks"]:
        for effect in look["effects"]:
            del effect["alternatives"]
    opened = Readout.from_json(json.dumps(plain)).looks[0].effects[0]
    assert opened == dataclasses.replace(whole.looks[0].effects[0], alternatives=())


@pytest.mark.parametrize(("value", "error"), [(np.inf, ValueError), (np.nan, ValueError), (np.int64(1), TypeError)])
def test_what_json_has_no_word_for_is_refused(value: float, error: type[Exception]) -> None:
    made = a_readout(metrics=1, segments=0, looks=1)
    with pytest.raises(error):
        dataclasses.replace(made, design=dataclasses.replace(made.design, alpha=value)).to_json()
