"""Where it runs: packing, the executors, progress. The only package that knows Ray."""
