"""Floor 2: what we show and offer. For now the demo shop, `recsys.world`."""
