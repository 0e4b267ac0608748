"""The pieces that pages are made of: pure functions from a Readout to HTML, and the element that shows it."""
