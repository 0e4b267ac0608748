"""Which items are nearest to a vector: exact or approximate, with items that come and go."""

from recsys.retrieval.index import Index

__all__ = ["Index"]
