"""Offline evaluation: readers, protocols and metrics of the field's papers, over every head.

`load` (sources.py) reads a file, `split` (protocols.py) cuts it, `evaluate` (evaluate.py) judges one fitted head, and
`compare` (comparison.py) all of them.
"""
