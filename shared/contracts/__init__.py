"""What crosses a boundary: HTTP, queue, bus, disk. Pydantic models only; no behaviour beyond validation."""
