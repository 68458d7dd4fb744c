"""Rules about the repository itself: what the template must hold, what may import what, how the tree is laid out."""
