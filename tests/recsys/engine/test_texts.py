"""Packed texts and places answer as a tuple and a dictionary of the same texts do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.engine.texts import Packed, Places

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=12)


@given(TEXTS)
def test_packed_texts_are_the_texts_from_both_ends_and_in_parts(texts):
    packed = Packed(texts)
    assert list(packed) == texts and len(packed) == len(texts)
    assert [packed[k] for k in range(-len(texts), 0)] == texts
    assert packed[1:7:2] == tuple(texts[1:7:2])
    with pytest.raises(IndexError):
        packed[len(texts)]


@given(TEXTS, TEXTS)
def test_places_are_those_of_a_dictionary(texts, others):
    ids = tuple(sorted(set(texts)))
    places, known = Places(ids), {item: k for k, item in enumerate(ids)}
    assert dict(places) == known
    assert [places.get(item, -1) for item in (*texts, *others)] == [known.get(item, -1) for item in (*texts, *others)]
    assert None not in places and 3 not in places
