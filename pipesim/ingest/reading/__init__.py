"""Log files in, records or entries out: every line or entry has its number, and none disappears."""
