"""From a request to a slate: candidates, features, chances, value, composition, words."""

# What the registry calls engines; their folders lie in models/engine/.
MODEL = "engine"
