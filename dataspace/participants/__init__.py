"""Who: participants, their roles, and the credentials they show."""
