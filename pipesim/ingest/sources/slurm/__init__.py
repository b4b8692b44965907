"""Slurm's job accounting."""
