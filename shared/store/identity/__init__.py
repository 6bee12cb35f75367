"""Who may come in: organisations, users, members, API keys, sessions. Read before anybody's organisation is known."""
