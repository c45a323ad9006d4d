"""A cohort's pictures made comparable before training, by rules of their modality (paper, section 3.2), and cached."""
