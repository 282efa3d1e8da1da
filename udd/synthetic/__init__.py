"""A synthetic set: its file, windows and decoding, start images."""
