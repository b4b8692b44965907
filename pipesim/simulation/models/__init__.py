"""The models of a simulation: which there are, what their versions are worth, what the engine is told, what became of them."""
