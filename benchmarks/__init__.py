"""How fast the code is, as ratios measured in one run on one device. What each figure means: README.md."""
