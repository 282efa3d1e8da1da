"""Records -> CSV -> tables, figures, one PDF."""
