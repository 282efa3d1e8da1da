"""From params.yaml to the resolved configuration of one cell."""
