"""What may follow from showing an item: one model for all outcomes, calibrated, with the chances that are logged."""
