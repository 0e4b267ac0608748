"""What can go wrong in analysis: one root, and one class for each thing a person has to fix."""


class AnalysisError(Exception):
    """Root of every error that analysis raises on purpose."""


class ExperimentError(AnalysisError):
    """The experiment file is not valid: the message names file, table, key and remedy."""


class SourceError(AnalysisError):
    """The data of an experiment cannot be used: the message names file, column or unit, and remedy."""
