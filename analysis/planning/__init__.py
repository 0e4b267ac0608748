"""Planning: what an experiment can show before it starts, from the past of the workspace."""
