"""The API: one controller for each resource, all of them behind the guard but the login."""
