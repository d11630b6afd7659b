"""What capture and worker both need: configuration, plans, changes, the seams between them."""
