"""What runs in the worker process that reads data: DuckDB, masks, groups, and what was released."""
