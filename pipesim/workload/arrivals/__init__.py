"""When pipeline runs are submitted: arrival models, and how each is fitted."""
