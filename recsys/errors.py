"""What the engine raises: one root, one subclass a part."""

from store.errors import StoreError


class EngineError(StoreError):
    """Root of everything that recsys raises on purpose; its message is fit for a person."""


class HeadError(EngineError):
    """A head is not known, or cannot be fitted on these data."""


class BudgetError(HeadError):
    """A head was stopped because it did not keep its budget of CPU time."""


class DataError(EngineError):
    """A data file or the facts are not what a model or a protocol needs."""


class ModelError(EngineError):
    """A trained model is missing, incomplete or of another version."""


class ShopError(EngineError):
    """A demo shop cannot be built or lived as asked."""


class RequestError(EngineError):
    """A request asks for what does not exist or is malformed; the server answers 4xx with this message."""
