"""What happens inside nets while they train: docs/dynamics.md and its figures are made here."""
