"""Floor 3: what people see. Every number on a page comes from a stored Readout or from a Plan; none is made here."""
