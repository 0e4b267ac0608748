"""The engine behind HTTP: routes, the journal of what happened, and its way into the lake."""
