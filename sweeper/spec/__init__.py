"""What to run: a YAML file becomes a SweepSpec, and that a columnar plan of Trials. No torch, no ray."""
