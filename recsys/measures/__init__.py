"""What a model is asked, where it ranks what was wanted, and how good that is."""
