"""Any tables, read through a mapping file."""
