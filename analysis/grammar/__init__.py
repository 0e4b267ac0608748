"""The grammar of an experiment file: one of its tables a module."""
