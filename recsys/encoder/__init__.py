"""The encoder: one causal transformer over what a person did, and one item tower, for all surfaces."""

from recsys.encoder.content import BUCKETS, Content
from recsys.encoder.encoder import Encoder
from recsys.encoder.shape import SURFACES, Shape
from recsys.errors import ModelError

__all__ = ["BUCKETS", "SURFACES", "Content", "Encoder", "ModelError", "Shape"]
