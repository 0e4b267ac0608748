"""Experiments among friends: communities, exposure through others, direct and spillover effects."""
