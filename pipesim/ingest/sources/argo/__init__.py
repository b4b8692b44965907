"""Workflows of Argo Workflows, and of what is built on them."""
