"""The verbs of the command `udd`: a command line read, and what it asks for called."""
