"""The journey of a query: decided, reserved, computed, decided again, settled, answered."""
