"""The routes, one module per noun. Each has `router`."""
