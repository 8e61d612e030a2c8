"""How it is learned: network, gradients, optimizer, training loop. No ray, no files."""
