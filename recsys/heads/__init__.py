"""Heads: models that score every item for a user. The folder is the registry: one file a head."""

from recsys.errors import HeadError
from recsys.heads.head import Context, Head, head, known_heads

__all__ = ["Context", "Head", "HeadError", "head", "known_heads"]
