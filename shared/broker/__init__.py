"""What kombu's Redis transport lacks for queues that lose nothing."""
