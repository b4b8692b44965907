"""A home on an object store: the store is what counts, and each machine keeps a mirror of it, a home folder like any."""
