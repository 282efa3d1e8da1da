"""Where the networks come from that a method meets (the paper's proxy network)."""
