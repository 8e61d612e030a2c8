"""Trackers that follow a run pack by pack, through Ray Tune's own loggers."""
