"""How it is learned: the network, its gradients, the optimizer, the training loop. No ray, no files."""
