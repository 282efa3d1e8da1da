"""What the tables are made of: measured groups, quoted figures, cells, layouts, captions, and how they are written."""
