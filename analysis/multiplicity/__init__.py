"""Many comparisons at once: families, dimensions and picked segments, and what their number costs."""
