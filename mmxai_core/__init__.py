"""MMXAI core: explainable multi-modal cancer diagnosis. Research use only, not for diagnosis."""

__version__ = "0.1.0"
