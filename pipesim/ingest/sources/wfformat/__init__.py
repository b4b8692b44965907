"""Instances in WfCommons' WfFormat."""
