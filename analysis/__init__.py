"""From records to thresholds, laws and figures. Reads results through sweeper.store alone."""
