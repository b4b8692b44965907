"""Laws of one non-negative quantity: what they are, how they are fitted to a sample, and how one is chosen."""
