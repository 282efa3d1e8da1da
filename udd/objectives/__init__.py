"""What is matched: gradients (Eq. 9), features, and the contrast of features (Eqs. 7, 8)."""
