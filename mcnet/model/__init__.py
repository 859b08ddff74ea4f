"""Values: frozen dataclasses and constants that every layer shares. Standard library only, no I/O, no decisions."""
