"""A trained engine's folder: what is missing is missing, what is broken is named."""

import json

import numpy as np
import pytest

from recsys.encoder.encoder import Encoder
from recsys.encoder.shape import Shape
from recsys.engine.bundle import Bundle
from recsys.errors import ModelError


@pytest.fixture
def folder(tmp_path):
    Encoder.untrained(["g1", "g2"], shape=Shape(), rng=np.random.default_rng(0)).save(tmp_path / "encoder")
    return tmp_path


def test_parts_that_were_not_trained_are_none(folder):
    found = Bundle.load(folder, "1")
    assert found.encoder is not None and (found.neighbours, found.ranker) == (None, None)


@pytest.mark.parametrize("cut", [0, 8, 100])
def test_weights_that_were_cut_off_are_named_with_the_way_back(folder, cut):
    for file in (folder / "encoder").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(ModelError, match="encoder is broken: .*holdout models use"):
        Bundle.load(folder, "1")


def test_a_part_without_its_weights_is_named(folder):
    card = json.loads(next((folder / "encoder").glob("*.json")).read_text())
    assert card["items"] == 2
    for file in (folder / "encoder").glob("*.safetensors"):
        file.unlink()
    with pytest.raises(ModelError, match="encoder is broken: .*safetensors"):
        Bundle.load(folder, "1")
