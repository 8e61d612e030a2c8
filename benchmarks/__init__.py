"""How fast it is, against what people write instead and against what the machine can do."""
