"""What to run: YAML becomes a SweepSpec, and that a columnar plan of Trials. No torch, no ray."""
