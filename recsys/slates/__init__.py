"""From scored candidates to ordered slates: value, rules, diversity, exploration with exact propensities."""
