"""The journey from an offer to an agreement (DSP 2025-1, contract negotiation)."""
