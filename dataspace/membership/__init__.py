"""The journey of becoming and being a participant."""
