"""What leaves the app: the readout as one HTML file that needs nothing else, and its tables as CSV."""
