"""Statistics in a terminal: what jobs came to, on one screen."""
