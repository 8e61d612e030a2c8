"""How weights move: one file an optimizer, over the weights of a batch of trials."""
