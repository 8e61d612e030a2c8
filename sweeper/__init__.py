"""Scaling-law sweeps over tasks that grok: from a YAML spec to one Parquet row a trial."""

__version__ = "0.1.0"
