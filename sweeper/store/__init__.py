"""What is kept: the schema of the records, the results folder, provenance. No torch, no ray."""
