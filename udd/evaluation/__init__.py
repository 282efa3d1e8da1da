"""How good a set is: accuracy of networks trained on it, mUE, and the reference networks it looks through."""
