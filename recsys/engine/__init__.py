"""From a request to a slate: candidates, features, chances, value, composition, words."""
