"""Any table, read as the YAML of a mapping file says: its columns, expressions and joins; and drafts of such files."""
