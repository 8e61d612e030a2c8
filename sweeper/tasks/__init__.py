"""What is learned: groups, their irreps' dimensions, and train/test splits. NumPy only."""
