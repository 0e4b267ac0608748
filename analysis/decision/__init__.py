"""The decision: stated rules that turn looks into a call, and what would change it."""
