"""The tabs of a readout, each a function from a saved readout and an arm to what is drawn."""
