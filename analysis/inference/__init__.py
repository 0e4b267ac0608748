"""Inference: from contrasts to intervals, p-values and readings, by every rule that the plan allows."""
