"""What commands print, where it takes more than a table; may look at runs and at analysis."""
