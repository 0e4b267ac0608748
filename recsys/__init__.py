"""Floor 2: what we show and offer: models, slates, serving, and the demo shop (`recsys.world`)."""
