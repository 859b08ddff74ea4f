"""What `mcnet show` prints: gathered from every context, judged, laid out."""
