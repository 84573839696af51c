"""The samples' HR events and what they lead to."""
