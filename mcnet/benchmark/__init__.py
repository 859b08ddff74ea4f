"""What `mcnet benchmark` does: pods that measure on chosen nodes, and what their samples come to."""
