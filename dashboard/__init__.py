"""The dashboard: pages over mmxai_core. Research use only, not for diagnosis."""
