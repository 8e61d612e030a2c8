"""What happens inside the two-layer net while it trains: docs/dynamics.md has each indicator.

A probe is a function of a `Snapshot`, the weights of B trials at one evaluation; it changes nothing
in them. `algebra` reads finished weights of one trial.
"""
