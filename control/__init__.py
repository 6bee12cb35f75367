"""Loops without a queue, each module a process of its own."""
