"""Real services on a real store and broker. A package, so that its modules can share a stack."""
