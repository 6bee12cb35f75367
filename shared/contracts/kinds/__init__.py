"""One module per kind of target: its request model and the models of its observations. Found by `shared.registry`."""
