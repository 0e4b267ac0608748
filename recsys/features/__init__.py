"""What the ranker knows of a user, an item and both at a time: the same numbers in training and in serving."""

from recsys.facts import Friendships
from recsys.features.definitions import NAMES
from recsys.features.history import Decisions, History, Payments
from recsys.features.memory import MemoryStore
from recsys.features.offline import as_of
from recsys.features.online import Acts, OnlineStore, online_features

__all__ = [
    "NAMES",
    "Acts",
    "Decisions",
    "Friendships",
    "History",
    "MemoryStore",
    "OnlineStore",
    "Payments",
    "as_of",
    "online_features",
]
