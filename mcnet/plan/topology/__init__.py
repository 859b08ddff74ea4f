"""The clusterset as a graph, and the graph as terminal tree, DOT, Mermaid and SVG: text from values, no programs."""
