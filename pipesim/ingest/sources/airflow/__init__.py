"""Airflow's metadata database."""
