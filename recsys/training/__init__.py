"""From the facts to an engine that can serve: stages, each whole on disk before the next begins."""
